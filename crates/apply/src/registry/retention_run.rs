//! What runs of retention rules did. The rows are written by `run_record`; their counts commit together with the
//! batches that they count, so that a run that is killed leaves true ones.

use sea_orm::{QueryTrait as _, entity::prelude::*, sea_query::ExprTrait as _};

use super::Registry;

/// One table in one run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_run")]
pub struct Model {
    /// Rises with each row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The same for all rows of a run.
    pub run: i64,
    /// The table of the rule that ran.
    #[sea_orm(column_type = "Text")]
    pub rule: String,
    /// By the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// The table that was worked on.
    #[sea_orm(column_type = "Text")]
    pub table_name: String,
    /// `DELETE (>30 days)`, `ARCHIVE (>12 months)`, `RESTORE`, `VACUUM ANALYZE`.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// Rows that went.
    #[sea_orm(default_value = "0")]
    pub rows_affected: i64,
    /// Milliseconds that its statements took.
    #[sea_orm(default_value = "0")]
    pub execution_time_ms: i64,
    /// `running`, `done`, `skipped`, `stopped`, `failed`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// Why, unless it is done.
    #[sea_orm(column_type = "Text", nullable)]
    pub message: Option<String>,
    /// Rows that were still past their time where it stopped, by the estimate that it began with.
    pub backlog: Option<i64>,
}

/// None that the records need.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Registry {
    /// The query for what the run of a rule before this one left.
    #[must_use]
    pub fn retention_backlog(&self, rule: &str, run: i64) -> String {
        let mut query = Entity::find().into_query();
        query
            .clear_selects()
            .column(Column::Backlog)
            .and_where(Expr::col(Column::Rule).eq(rule))
            .and_where(Expr::col(Column::TableName).eq(rule))
            .and_where(Expr::col(Column::Run).lt(run))
            .and_where(Expr::col(Column::RowsAffected).gt(0))
            .order_by(Column::Id, sea_orm::Order::Desc)
            .limit(1);
        self.select(&mut query, "retention_run")
    }
}
