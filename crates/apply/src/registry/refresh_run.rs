//! What refreshes of materialized views did: a row for each view in a run, there from the first moment on.

use sea_orm::{
    ActiveValue::Set,
    QueryTrait as _,
    entity::prelude::*,
    sea_query::{ExprTrait as _, PostgresQueryBuilder},
};

use super::{Registry, signed};

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

/// What a row says of a view.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// The view.
    pub view: &'a str,
    /// What is done to it.
    pub action: &'a str,
    /// Rows that it has afterwards.
    pub rows: u64,
    /// Milliseconds so far.
    pub ms: u64,
    /// `running`, or how it ended.
    pub outcome: &'a str,
    /// Why it ended.
    pub message: Option<&'a str>,
}

impl Registry {
    /// The statement that adds a row, and gives its number.
    #[must_use]
    pub fn refresh_begun(&self, run: i64, noted: &Noted<'_>) -> String {
        let model = ActiveModel {
            run: Set(run),
            view_name: Set(noted.view.to_owned()),
            action: Set(noted.action.to_owned()),
            outcome: Set(noted.outcome.to_owned()),
            message: Set(noted.message.map(str::to_owned)),
            ..Default::default()
        };
        let mut insert = Entity::insert(model).into_query();
        insert.into_table(self.table("refresh_run")).returning_col(Column::Id).to_string(PostgresQueryBuilder)
    }

    /// The statement that writes down how a view's refresh ended.
    #[must_use]
    pub fn refresh_ended(&self, id: i64, noted: &Noted<'_>) -> String {
        let count = |count: u64| Expr::value(signed(count));
        let mut update = Entity::update_many()
            .col_expr(Column::RowsAffected, count(noted.rows))
            .col_expr(Column::ExecutionTimeMs, count(noted.ms))
            .col_expr(Column::Outcome, Expr::value(noted.outcome))
            .col_expr(Column::Message, Expr::value(noted.message.map(str::to_owned)))
            .filter(Expr::col(Column::Id).eq(id))
            .into_query();
        update.table(self.table("refresh_run")).to_string(PostgresQueryBuilder)
    }

    /// The statement that closes rows of a view that broke off. Nobody else refreshes it: its lock is held.
    #[must_use]
    pub fn refresh_orphans(&self, view: &str) -> String {
        let mut update = Entity::update_many()
            .col_expr(Column::Outcome, Expr::value("stopped"))
            .col_expr(Column::Message, Expr::value("its end was not seen"))
            .filter(Expr::col(Column::ViewName).eq(view))
            .filter(Expr::col(Column::Outcome).eq("running"))
            .into_query();
        update.table(self.table("refresh_run")).to_string(PostgresQueryBuilder)
    }
}
