//! The states of apply runs and of their steps, in the words of the history.

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It is running, or was interrupted.
    Running,
    /// It is complete.
    Done,
    /// The server refused a statement.
    Failed,
    /// It was stopped or blocked, and can be continued.
    Incomplete,
    /// It was interrupted, and a later run has closed it.
    Interrupted,
}

/// The state of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    /// It has started, and its end is not known yet.
    Started,
    /// It is done.
    Done,
    /// It changed nothing: the server refused it, or it was rolled back.
    Failed,
    /// Its run was interrupted, and a later run found that the step had no effect.
    Interrupted,
}

impl RunOutcome {
    /// The text in the history.
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
    /// The text in the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}
