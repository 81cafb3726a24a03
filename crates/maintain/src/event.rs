//! What a run tells while it works, and what it came to.

use serde::{Serialize, Serializer};

/// What happens to one table in a run: a line of the printed table, and a row of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The table.
    pub table_name: String,
    /// `DELETE (>30 days)` and the like.
    pub action: String,
    /// Rows that went.
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
    /// So many rows of the rule's table are gone.
    Gone(u64),
    /// It waits, and why.
    Waits(String),
    /// A step is over.
    Over(&'a Step),
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
