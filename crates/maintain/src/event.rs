//! What a run tells while it works, and how it ended.

use reconcile_apply::registry::run_record::Outcome;
use reconcile_core::postgres::name::QualifiedName;
use serde::Serialize;

use crate::{run_error::RunError, run_outcome::RunOutcome};

/// What a run does to one table or view: a line of the printed table, and a row of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// The table or view.
    #[serde(flatten)]
    pub subject: Subject,
    /// `DELETE (>30 days)`, `REFRESH` and the like.
    pub action: String,
    /// Rows that went; for a view, the rows that it has afterwards.
    pub rows_affected: u64,
    /// Milliseconds that its statements took.
    pub execution_time_ms: u64,
    /// How far it got.
    pub outcome: Outcome,
    /// Why, unless it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What an operation works on, by the name of the records' column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Subject {
    /// A table.
    #[serde(rename = "table_name")]
    Table(String),
    /// A materialized view.
    #[serde(rename = "view_name")]
    View(String),
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// How it ended, by the worst of its rules.
    pub outcome: RunOutcome,
}

/// What a run tells while it works.
#[derive(Debug)]
pub enum Event<'a> {
    /// Work on a rule's table begins; about so many rows are to go.
    Started {
        /// The operation.
        operation: &'a Operation,
        /// By the planner's estimate, or counted where the rule has limits.
        rows: u64,
    },
    /// A view is being refreshed.
    RefreshStarted(&'a Operation),
    /// So many rows of the rule's table are done.
    RowsDone(u64),
    /// The run waits, for this reason.
    Waiting(String),
    /// An operation is over.
    Finished(&'a Operation),
}

impl Subject {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Table(name) | Self::View(name) => name,
        }
    }

    /// The records' column that has the name.
    #[must_use]
    pub fn column(&self) -> &'static str {
        match self {
            Self::Table(_) => "table_name",
            Self::View(_) => "view_name",
        }
    }
}

impl Operation {
    /// One that begins.
    pub(crate) fn new(subject: Subject, action: String) -> Self {
        Self {
            subject,
            action,
            rows_affected: 0,
            execution_time_ms: 0,
            outcome: Outcome::Running,
            message: None,
            hint: None,
        }
    }

    /// One that begins on a table.
    pub(crate) fn on(table: &QualifiedName, action: String) -> Self {
        Self::new(Subject::Table(table.to_string()), action)
    }

    /// The same, ended by an error.
    pub(crate) fn ended(mut self, error: &RunError) -> Self {
        let (message, hint) = error.texts();
        self.outcome = error.outcome();
        self.message = Some(message);
        self.hint = Some(hint).filter(|hint| !hint.is_empty());
        self
    }
}
