//! What a run tells while it works, and what it came to.

use reconcile_core::postgres::name::QualifiedName;
use serde::{Serialize, Serializer};

use crate::context::Ended;

/// What happens to one table or view in a run: a line of the printed table, and a row of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The table or view.
    #[serde(flatten)]
    pub subject: Subject,
    /// `DELETE (>30 days)`, `REFRESH` and the like.
    pub action: String,
    /// Rows that went; of a view, those that it has afterwards.
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

/// What a step is about, by the name of the records' column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Subject {
    /// A table.
    #[serde(rename = "table_name")]
    Table(String),
    /// A materialized view.
    #[serde(rename = "view_name")]
    View(String),
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// The worst of it.
    pub verdict: Verdict,
}

/// How far a step got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is at work.
    Running,
    /// All of it is done.
    Done,
    /// It was not begun.
    Skipped,
    /// It ended early; the next run goes on.
    Stopped,
    /// It cannot go on.
    Failed,
}

/// What a run came to, the worst of its rules first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A rule cannot run, or the server refused a statement.
    Failed,
    /// It ended early; the next run goes on.
    Incomplete,
    /// More rows than a rule's limits allow.
    Beyond,
    /// Another run of the same rule is at work.
    Overlap,
    /// All is done.
    Done,
}

/// What a run tells while it works.
#[derive(Debug)]
pub enum Event<'a> {
    /// Work on a rule's table begins; about so many rows are to go.
    Begins {
        /// The step.
        step: &'a Step,
        /// By the planner's estimate, or counted where the rule has limits.
        rows: u64,
    },
    /// A view is being refreshed.
    Refreshes(&'a Step),
    /// So many rows of the rule's table are gone.
    Gone(u64),
    /// It waits, and why.
    Waits(String),
    /// A step is over.
    Over(&'a Step),
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

impl Step {
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
    pub(crate) fn of(table: &QualifiedName, action: String) -> Self {
        Self::new(Subject::Table(table.to_string()), action)
    }

    /// The same, ended for a reason.
    pub(crate) fn ended(mut self, why: &Ended) -> Self {
        let (message, hint) = why.said();
        self.outcome = why.outcome();
        self.message = Some(message);
        self.hint = Some(hint).filter(|hint| !hint.is_empty());
        self
    }
}

impl Outcome {
    /// As the records have it.
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
