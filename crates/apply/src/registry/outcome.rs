//! How runs of apply and their steps stand, in the words of the history.

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It is at work, or broke off.
    Running,
    /// All of it is done.
    Done,
    /// The server refused a statement.
    Failed,
    /// It was stopped or blocked, and can go on.
    Incomplete,
    /// It broke off, and a later run found it so.
    Interrupted,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    /// Nobody has seen its end yet.
    Started,
    /// It is done.
    Done,
    /// It changed nothing: the server refused it, or it was rolled back.
    Failed,
    /// Its run broke off, and a later one found no effect.
    Interrupted,
}

impl RunOutcome {
    /// As the history has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Interrupted => "interrupted",
        }
    }
}

impl StepOutcome {
    /// As the history has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}
