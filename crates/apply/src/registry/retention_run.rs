//! The results of retention runs. `run_record` writes the rows. Their counts commit together with the batches that they
//! count, so that the counts are true even if a run is killed.

use sea_orm::{QueryTrait as _, entity::prelude::*, sea_query::ExprTrait as _};

use super::Registry;

/// One table in one run.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_run")]
pub struct Model {
    /// Increases with each row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The same for all rows of a run.
    pub run: i64,
    /// The table of the rule that ran.
    #[sea_orm(column_type = "Text")]
    pub rule: String,
    /// When the row was written, by the clock of the database.
    #[sea_orm(default_expr = "Expr::cust(\"clock_timestamp()\")")]
    pub started_at: DateTimeWithTimeZone,
    /// The table that was worked on: the rule's table, or one that depends on it.
    #[sea_orm(column_type = "Text")]
    pub table_name: String,
    /// What was done, such as `DELETE (>30 days)`, `ARCHIVE (>12 months)`, `RESTORE`, `VACUUM ANALYZE`.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// Rows that were deleted or moved.
    #[sea_orm(default_value = "0")]
    pub rows_affected: i64,
    /// Duration of the statements, in milliseconds.
    #[sea_orm(default_value = "0")]
    pub execution_time_ms: i64,
    /// `running`, `done`, `skipped`, `stopped`, `failed`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    /// The reason, unless the outcome is `done`.
    #[sea_orm(column_type = "Text", nullable)]
    pub message: Option<String>,
    /// Rows that are still past the cut-off when the run stopped, from the estimate at its beginning.
    pub backlog: Option<i64>,
}

/// The records need no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Registry {
    /// The query for the backlog that the previous run of a rule left.
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
