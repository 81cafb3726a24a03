//! The statements of a run: written before each one starts, and in or after its own effect.

use sea_orm::entity::prelude::*;

/// One statement.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "step")]
pub struct Model {
    /// The run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run: i64,
    /// From 1, in execution order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// The object.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    /// What was executed.
    #[sea_orm(column_type = "Text")]
    pub statement: String,
    /// What takes it back.
    #[sea_orm(column_type = "Text", nullable)]
    pub undo: Option<String>,
    /// `started`, `done`, `failed`; `interrupted` where a later run found that it had come to nothing. Still `started`
    /// in a run that broke off: nobody has looked yet.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// What the server said.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// By the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// When its end was written.
    pub finished_at: Option<DateTimeWithTimeZone>,
}

/// None that the history needs.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
