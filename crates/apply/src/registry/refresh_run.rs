//! The results of refreshes of materialized views. `run_record` writes the rows.

use sea_orm::entity::prelude::*;

/// One view in one run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_run")]
pub struct Model {
    /// Increases with each row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The same for all rows of a run.
    pub run: i64,
    /// When the row was written, by the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// The view.
    #[sea_orm(column_type = "Text")]
    pub view_name: String,
    /// What was done: `REFRESH` or `REFRESH CONCURRENTLY`.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// Rows that the view has afterwards.
    #[sea_orm(default_value = "0")]
    pub rows_affected: i64,
    /// Duration, in milliseconds.
    #[sea_orm(default_value = "0")]
    pub execution_time_ms: i64,
    /// `running`, `done`, `skipped`, `stopped`, `failed`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// The reason, unless the outcome is `done`.
    #[sea_orm(column_type = "Text", nullable)]
    pub message: Option<String>,
}

/// The records need no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
