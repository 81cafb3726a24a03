//! The statements of a run. A row is written before its statement starts, and updated in the same transaction or right
//! after it.

use sea_orm::entity::prelude::*;

/// One statement.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "step")]
pub struct Model {
    /// The run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run: i64,
    /// The number of the step, from 1, in the order of execution.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// The object.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    /// The executed statement.
    #[sea_orm(column_type = "Text")]
    pub statement: String,
    /// The statement that undoes it.
    #[sea_orm(column_type = "Text", nullable)]
    pub undo: Option<String>,
    /// `started`, `done`, `failed`, or `interrupted` if a later run found that it had no effect. In an interrupted run
    /// it stays `started` until a later run looks up the effect.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// The message of the server.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// When the step began, by the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// When its end was written.
    pub finished_at: Option<DateTimeWithTimeZone>,
}

/// The history needs no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
