//! The runs of apply, with user, time, plan and outcome.

use sea_orm::entity::prelude::*;

/// One run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    /// Increases with each run.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When the run began, by the clock of the database.
    #[sea_orm(default_expr = "Expr::current_timestamp()")]
    pub started_at: DateTimeWithTimeZone,
    /// When the run ended. Empty while it runs, and for good if it was interrupted.
    pub finished_at: Option<DateTimeWithTimeZone>,
    /// `running`, `done`, `failed`, `incomplete`, or `interrupted` if a later run has closed it.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// The database role.
    #[sea_orm(column_type = "Text", default_expr = "Expr::cust(\"current_user\")")]
    pub role: String,
    /// The command: `apply`, `rollback`, `forget` or `destroy`.
    #[sea_orm(column_type = "Text", default_value = "apply")]
    pub command: String,
    /// The run that it rolls back.
    pub reverts: Option<i64>,
    /// The user name in the operating system.
    #[sea_orm(column_type = "Text", nullable)]
    pub operator: Option<String>,
    /// The commit of the declared files, if they are in a git checkout.
    #[sea_orm(column_type = "Text", nullable)]
    pub commit: Option<String>,
    /// The version of the program.
    #[sea_orm(column_type = "Text")]
    pub version: String,
    /// The plan, as JSON.
    #[sea_orm(column_type = "JsonBinary")]
    pub plan: Json,
}

/// The history needs no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
