//! An operation and its row in the records.

use std::time::Duration;

use reconcile_apply::registry::run_record::{NewRecord, Outcome, RecordUpdate, RunTable};
use reconcile_live::LiveError;

use crate::{Options, context::RunContext, event::Operation, run_error::RunError};

/// What all rows of a rule or view in a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunKey<'a> {
    pub(crate) table: RunTable,
    /// The number of the run.
    pub(crate) run: i64,
    /// The table of the rule, or the view.
    pub(crate) rule: &'a str,
}

/// An operation that is recorded.
#[derive(Clone, Debug)]
pub(crate) struct RecordedOperation {
    table: RunTable,
    id: i64,
    pub(crate) operation: Operation,
    spent: Duration,
    backlog: Option<u64>,
}

/// The number of a run that begins.
pub(crate) async fn next_run(context: &mut RunContext<'_>, table: RunTable) -> Result<i64, LiveError> {
    let next = context.options.registry.next_run(table);
    Ok(context.session.number(&next).await?.cast_signed())
}

impl RecordedOperation {
    /// Adds the row of an operation that begins, or is over at once.
    pub(crate) async fn begin(
        context: &mut RunContext<'_>,
        key: RunKey<'_>,
        operation: Operation,
    ) -> Result<Self, LiveError> {
        Self::begin_after(context, "", key, operation).await
    }

    /// The same, in one transaction with a statement before it.
    pub(crate) async fn begin_after(
        context: &mut RunContext<'_>,
        statement: &str,
        key: RunKey<'_>,
        operation: Operation,
    ) -> Result<Self, LiveError> {
        let record = NewRecord {
            run: key.run,
            rule: key.rule,
            subject: operation.subject.name(),
            action: &operation.action,
            outcome: operation.outcome,
            message: operation.message.as_deref(),
        };
        let begun = context.options.registry.record_begun(key.table, &record);
        let id = context.session.number(&format!("{statement}{begun}")).await?.cast_signed();
        Ok(Self { table: key.table, id, operation, spent: Duration::ZERO, backlog: None })
    }

    /// Adds the row of an operation that ended before it began. Where that cannot be written, nothing is recorded.
    pub(crate) async fn not_begun(
        context: &mut RunContext<'_>,
        key: RunKey<'_>,
        operation: Operation,
        error: &RunError,
    ) -> Operation {
        let operation = operation.ended(error);
        if !matches!(error, RunError::ConnectionLost(_)) {
            drop(Self::begin(context, key, operation.clone()).await);
        }
        operation
    }

    /// The same, with the rows and the time of one more statement.
    pub(crate) fn after(&self, rows: u64, took: Duration) -> Self {
        let mut recorded = self.clone();
        recorded.spent += took;
        recorded.operation.rows_affected += rows;
        recorded.operation.execution_time_ms = u64::try_from(recorded.spent.as_millis()).unwrap_or(u64::MAX);
        recorded
    }

    /// The statement that updates its row.
    pub(crate) fn update(&self, options: &Options) -> String {
        let record = RecordUpdate {
            rows: self.operation.rows_affected,
            ms: self.operation.execution_time_ms,
            outcome: self.operation.outcome,
            message: self.operation.message.as_deref(),
            backlog: self.backlog,
        };
        options.registry.record_updated(self.table, self.id, &record)
    }

    /// Notes how many rows are left at its end.
    pub(crate) fn leave(&mut self, backlog: u64) {
        self.backlog = Some(backlog);
    }

    /// Updates its row with how it ended. Where that cannot be written, the next run closes the row.
    pub(crate) async fn close(mut self, context: &mut RunContext<'_>, error: Option<&RunError>) -> Operation {
        self.operation = match error {
            Some(error) => self.operation.ended(error),
            None => Operation { outcome: Outcome::Done, ..self.operation },
        };
        let update = self.update(context.options);
        drop(context.session.batch(&update).await);
        self.operation
    }
}
