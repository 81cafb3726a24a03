//! A step and its row in the records.

use std::time::Duration;

use reconcile_apply::registry::retention_run::{Begun, Noted};
use reconcile_live::LiveError;

use crate::{
    Options,
    context::{Ended, RunContext, number},
    event::{Outcome, Step},
};

/// A step that is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    id: i64,
    pub(crate) step: Step,
    spent: Duration,
    backlog: Option<u64>,
}

/// What the records call a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading<'a> {
    pub(crate) run: i64,
    /// The rule's table.
    pub(crate) rule: &'a str,
}

impl Line {
    /// Writes it down as begun, or as over where the step says so.
    pub(crate) async fn begin(
        context: &mut RunContext<'_>,
        heading: Heading<'_>,
        step: Step,
    ) -> Result<Self, LiveError> {
        Self::begin_after(context, "", heading, step).await
    }

    /// The same, after a setting that comes into force with it, or not at all: one message is one transaction.
    pub(crate) async fn begin_after(
        context: &mut RunContext<'_>,
        setting: &str,
        heading: Heading<'_>,
        step: Step,
    ) -> Result<Self, LiveError> {
        let begun = Begun {
            run: heading.run,
            rule: heading.rule,
            table: step.subject.name(),
            action: &step.action,
            outcome: step.outcome.name(),
            message: step.message.as_deref(),
        };
        let begun = context.options.registry.retention_begun(&begun);
        let id = number(context.session, &format!("{setting}{begun}")).await?;
        Ok(Self { id: i64::try_from(id).unwrap_or(i64::MAX), step, spent: Duration::ZERO, backlog: None })
    }

    /// As it is after a batch.
    pub(crate) fn after(&self, rows: u64, took: Duration) -> Self {
        let mut line = self.clone();
        line.spent += took;
        line.step.rows_affected += rows;
        line.step.execution_time_ms = u64::try_from(line.spent.as_millis()).unwrap_or(u64::MAX);
        line
    }

    /// The statement that writes down how it stands.
    pub(crate) fn noted(&self, options: &Options) -> String {
        options.registry.retention_noted(
            self.id,
            &Noted {
                rows: self.step.rows_affected,
                ms: self.step.execution_time_ms,
                outcome: self.step.outcome.name(),
                message: self.step.message.as_deref(),
                backlog: self.backlog,
            },
        )
    }

    /// It ends with so many rows left.
    pub(crate) fn leaving(&mut self, backlog: u64) {
        self.backlog = Some(backlog);
    }

    /// Writes down how it ended. Where that cannot be written any more, the next run does it.
    pub(crate) async fn close(mut self, context: &mut RunContext<'_>, why: Option<&Ended>) -> Step {
        self.step = match why {
            Some(why) => self.step.ended(why),
            None => Step { outcome: Outcome::Done, ..self.step },
        };
        let noted = self.noted(context.options);
        drop(context.session.batch(&noted).await);
        self.step
    }
}
