//! What refreshes of materialized views did. The rows are written by `run_record`.

use sea_orm::entity::prelude::*;

/// One view in one run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_run")]
pub struct Model {
    /// Rises with each row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The same for all rows of a run.
    pub run: i64,
    /// By the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// The view.
    #[sea_orm(column_type = "Text")]
    pub view_name: String,
    /// `REFRESH`, `REFRESH CONCURRENTLY`.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// Rows that the view has afterwards.
    #[sea_orm(default_value = "0")]
    pub rows_affected: i64,
    /// Milliseconds that it took.
    #[sea_orm(default_value = "0")]
    pub execution_time_ms: i64,
    /// `running`, `done`, `skipped`, `stopped`, `failed`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// Why, unless it is done.
    #[sea_orm(column_type = "Text", nullable)]
    pub message: Option<String>,
}

/// None that the records need.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
