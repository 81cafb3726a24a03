//! Records the results of retention runs and of refreshes. A row is about one table or view in one run, and is written
//! before the work on it begins. Each kind of run has its own table, and the tables differ in few columns. Their
//! entities have files of their own, such as `retention_run`.

use reconcile_core::postgres::sql::Sql;
use sea_orm::{
    DeriveIden,
    sea_query::{Alias, DynIden, Expr, ExprTrait as _, IntoIden as _, PostgresQueryBuilder, Query},
};
use serde::{Serialize, Serializer};

use super::{Registry, signed};

/// A table of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTable {
    /// `retention_run`, for the tables that retention rules work on.
    Rules,
    /// `refresh_run`, for materialized views.
    Refresh,
}

/// The columns that all tables have.
#[derive(Clone, Copy, DeriveIden)]
enum Column {
    Id,
    Run,
    Action,
    RowsAffected,
    ExecutionTimeMs,
    Outcome,
    Message,
}

/// The state of a run for one table or view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is running.
    Running,
    /// It is complete.
    Done,
    /// It was not started.
    Skipped,
    /// It ended early. The next run continues.
    Stopped,
    /// It failed, and cannot continue.
    Failed,
}

/// A new row, when work begins or is over at once.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The number of the run.
    pub run: i64,
    /// The table of the rule. For a refresh, the view itself.
    pub rule: &'a str,
    /// The table or view that is worked on.
    pub subject: &'a str,
    /// What is done to the table or view.
    pub action: &'a str,
    /// Running, or the outcome if the work is over at once.
    pub outcome: Outcome,
    /// The reason for the outcome.
    pub message: Option<&'a str>,
}

/// An update of a row.
#[derive(Clone, Copy, Debug)]
pub struct RecordUpdate<'a> {
    /// Rows that were deleted or moved so far. For a view, the rows that it has afterwards.
    pub rows: u64,
    /// Duration so far, in milliseconds.
    pub ms: u64,
    /// Running, or the outcome.
    pub outcome: Outcome,
    /// The reason for the outcome.
    pub message: Option<&'a str>,
    /// Rows that are left. A refresh leaves none.
    pub backlog: Option<u64>,
}

impl RunTable {
    fn name(self) -> &'static str {
        match self {
            Self::Rules => "retention_run",
            Self::Refresh => "refresh_run",
        }
    }

    /// The column with the name of the table or view.
    fn subject(self) -> &'static str {
        match self {
            Self::Rules => "table_name",
            Self::Refresh => "view_name",
        }
    }

    /// The column with the name of the rule, if rows can be about other tables as well.
    fn rule(self) -> Option<&'static str> {
        match self {
            Self::Rules => Some("rule"),
            Self::Refresh => None,
        }
    }

    /// The column for the rows that are left.
    fn backlog(self) -> Option<&'static str> {
        match self {
            Self::Rules => Some("backlog"),
            Self::Refresh => None,
        }
    }

    /// The message of a row if its run was interrupted.
    fn orphaned(self) -> &'static str {
        match self {
            // The counts have committed together with the batches that they count.
            Self::Rules => "its end was not seen; what it counts is done",
            Self::Refresh => "its end was not seen",
        }
    }
}

impl Outcome {
    /// The text in the records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Registry {
    /// The query for a number that no run in a table has yet.
    #[must_use]
    pub fn next_run(&self, table: RunTable) -> String {
        let table = Sql::default().ident(&self.schema).raw(".").raw(table.name());
        let next = Sql::new("SELECT nextval(pg_get_serial_sequence(").literal(table.as_str());
        next.raw(", 'id'))").to_string()
    }

    /// The statement that adds a row, and returns its number.
    #[must_use]
    pub fn record_begun(&self, table: RunTable, record: &NewRecord<'_>) -> String {
        let mut cells: Vec<(DynIden, Expr)> = vec![
            (Column::Run.into_iden(), record.run.into()),
            (Alias::new(table.subject()).into_iden(), record.subject.into()),
            (Column::Action.into_iden(), record.action.into()),
            (Column::Outcome.into_iden(), record.outcome.name().into()),
            (Column::Message.into_iden(), record.message.map(str::to_owned).into()),
        ];
        if let Some(rule) = table.rule() {
            cells.push((Alias::new(rule).into_iden(), record.rule.into()));
        }
        let (columns, values): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
        let mut insert = Query::insert();
        insert.into_table(self.table(table.name())).columns(columns).values_panic(values).returning_col(Column::Id);
        insert.to_string(PostgresQueryBuilder)
    }

    /// The statement that updates a row.
    #[must_use]
    pub fn record_updated(&self, table: RunTable, id: i64, record: &RecordUpdate<'_>) -> String {
        let mut update = Query::update();
        update
            .table(self.table(table.name()))
            .value(Column::RowsAffected, signed(record.rows))
            .value(Column::ExecutionTimeMs, signed(record.ms))
            .value(Column::Outcome, record.outcome.name())
            .value(Column::Message, record.message.map(str::to_owned))
            .and_where(Expr::col(Column::Id).eq(id));
        if let Some(backlog) = table.backlog() {
            update.value(Alias::new(backlog), record.backlog.map(signed));
        }
        update.to_string(PostgresQueryBuilder)
    }

    /// The statement that closes the rows of interrupted runs of a rule or view. The caller holds its lock, so nobody
    /// else is at work on it.
    #[must_use]
    pub fn close_orphans(&self, table: RunTable, rule: &str) -> String {
        let mut update = Query::update();
        update
            .table(self.table(table.name()))
            .value(Column::Outcome, Outcome::Stopped.name())
            .value(Column::Message, table.orphaned())
            .and_where(Expr::col(Alias::new(table.rule().unwrap_or(table.subject()))).eq(rule))
            .and_where(Expr::col(Column::Outcome).eq(Outcome::Running.name()));
        update.to_string(PostgresQueryBuilder)
    }
}
