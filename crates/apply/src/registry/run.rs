//! The runs of apply: who, when, with which plan, how it ended.

use sea_orm::entity::prelude::*;

/// One run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    /// Rises from run to run.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// By the clock of the database.
    #[sea_orm(default_expr = "Expr::current_timestamp()")]
    pub started_at: DateTimeWithTimeZone,
    /// Empty while it runs, and for good where it broke off.
    pub finished_at: Option<DateTimeWithTimeZone>,
    /// `running`, `done`, `failed`, `incomplete`; `interrupted` where it broke off and a later run found it so.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// The database role.
    #[sea_orm(column_type = "Text", default_expr = "Expr::cust(\"current_user\")")]
    pub role: String,
    /// What was asked for: `apply`, `rollback`, `forget`, `destroy`.
    #[sea_orm(column_type = "Text", default_value = "apply")]
    pub command: String,
    /// The run that it takes back.
    pub reverts: Option<i64>,
    /// The operating system's user who asked.
    #[sea_orm(column_type = "Text", nullable)]
    pub operator: Option<String>,
    /// The commit of the declared files, in a git checkout.
    #[sea_orm(column_type = "Text", nullable)]
    pub commit: Option<String>,
    /// The version of the program.
    #[sea_orm(column_type = "Text")]
    pub version: String,
    /// What was to be done.
    #[sea_orm(column_type = "JsonBinary")]
    pub plan: Json,
}

/// None that the history needs.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
