//! What runs of retention rules did: a row for each table that a run worked on. A row is there from the first moment
//! on, and its counts commit together with the batches that they count: a run that is killed leaves true ones.

use sea_orm::{
    ActiveValue::Set,
    QueryTrait as _,
    entity::prelude::*,
    sea_query::{ExprTrait as _, PostgresQueryBuilder},
};

use super::{Registry, signed};

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

/// What a row says when its step begins, or is over at once.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    /// The number of the run.
    pub run: i64,
    /// The table of the rule.
    pub rule: &'a str,
    /// The table that is worked on.
    pub table: &'a str,
    /// What is done to it.
    pub action: &'a str,
    /// `running`, or how it ended before it began.
    pub outcome: &'a str,
    /// Why it ended.
    pub message: Option<&'a str>,
}

/// What a row says as time goes on.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// Rows that went so far.
    pub rows: u64,
    /// Milliseconds so far.
    pub ms: u64,
    /// `running`, or how it ended.
    pub outcome: &'a str,
    /// Why it ended.
    pub message: Option<&'a str>,
    /// Rows that are left.
    pub backlog: Option<u64>,
}

impl Registry {
    /// The statement that adds a row, and gives its number.
    #[must_use]
    pub fn retention_begun(&self, begun: &Begun<'_>) -> String {
        let model = ActiveModel {
            run: Set(begun.run),
            rule: Set(begun.rule.to_owned()),
            table_name: Set(begun.table.to_owned()),
            action: Set(begun.action.to_owned()),
            outcome: Set(begun.outcome.to_owned()),
            message: Set(begun.message.map(str::to_owned)),
            ..Default::default()
        };
        let mut insert = Entity::insert(model).into_query();
        insert.into_table(self.table("retention_run")).returning_col(Column::Id).to_string(PostgresQueryBuilder)
    }

    /// The statement that brings a row up to what is done.
    #[must_use]
    pub fn retention_noted(&self, id: i64, noted: &Noted<'_>) -> String {
        let count = |count: u64| Expr::value(signed(count));
        let mut update = Entity::update_many()
            .col_expr(Column::RowsAffected, count(noted.rows))
            .col_expr(Column::ExecutionTimeMs, count(noted.ms))
            .col_expr(Column::Outcome, Expr::value(noted.outcome))
            .col_expr(Column::Message, Expr::value(noted.message.map(str::to_owned)))
            .col_expr(Column::Backlog, Expr::value(noted.backlog.map(signed)))
            .filter(Expr::col(Column::Id).eq(id))
            .into_query();
        update.table(self.table("retention_run")).to_string(PostgresQueryBuilder)
    }

    /// The statement that closes rows of a rule that broke off. Nobody else runs the rule: its lock is held.
    #[must_use]
    pub fn retention_orphans(&self, rule: &str) -> String {
        let mut update = Entity::update_many()
            .col_expr(Column::Outcome, Expr::value("stopped"))
            .col_expr(Column::Message, Expr::value("its end was not seen; what it counts is done"))
            .filter(Expr::col(Column::Rule).eq(rule))
            .filter(Expr::col(Column::Outcome).eq("running"))
            .into_query();
        update.table(self.table("retention_run")).to_string(PostgresQueryBuilder)
    }

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
