//! Why a run of a rule, or the refresh of a view, ended early; and what outcome that is.

use reconcile_apply::{registry::run_record::Outcome, sqlstate::ErrorKind};
use reconcile_core::kinds::retention::preflight::Refused;
use reconcile_live::LiveError;

use crate::run_outcome::RunOutcome;

/// Why a run of a rule, or the refresh of a view, ended early.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The user wants it, or its time is over.
    Interrupted(String),
    /// It did not get a lock.
    Blocked(String),
    /// The connection is gone.
    ConnectionLost(String),
    /// What it did could not be believed, so nothing was begun.
    Unsafe(Refused),
    /// Limits forbid it.
    OverLimits(Refused),
    /// Another run works on the same table or view.
    Overlap(Refused),
    /// A view that has to be refreshed first was not. The refreshes ended with this outcome.
    ViewNotRefreshed(RunOutcome, Refused),
    /// It cannot go on.
    Failed(Refused),
}

/// Why a batch is taken back.
#[derive(Debug)]
pub(crate) enum BatchError {
    /// The connection or the server failed.
    Live(LiveError),
    /// The rows that left the table are not those that were archived.
    Refused(Refused),
}

impl RunError {
    /// Another run of the same rule is at work.
    pub(crate) fn overlap(holder: &str) -> Self {
        let message = format!("another run of this rule is at work: {holder}");
        Self::Overlap(Refused::new(message, "wait for its end"))
    }

    /// The outcome of the whole run.
    pub(crate) fn run_outcome(&self) -> RunOutcome {
        match self {
            Self::Interrupted(_) | Self::Blocked(_) | Self::ConnectionLost(_) => RunOutcome::Incomplete,
            Self::OverLimits(_) => RunOutcome::OverLimits,
            Self::Overlap(_) => RunOutcome::Overlap,
            Self::ViewNotRefreshed(outcome, _) => *outcome,
            Self::Failed(_) => RunOutcome::Failed,
            Self::Unsafe(_) => RunOutcome::Unsafe,
        }
    }

    /// The outcome for the table or view.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Interrupted(_) | Self::Blocked(_) | Self::ConnectionLost(_) => Outcome::Stopped,
            Self::OverLimits(_) | Self::Overlap(_) | Self::ViewNotRefreshed(..) => Outcome::Skipped,
            Self::Failed(_) | Self::Unsafe(_) => Outcome::Failed,
        }
    }

    /// The message, which is shown and recorded, and the hint.
    pub(crate) fn texts(&self) -> (String, String) {
        match self {
            Self::Interrupted(message) | Self::Blocked(message) | Self::ConnectionLost(message) => {
                (message.clone(), "run it again to go on".to_owned())
            }
            Self::Overlap(refused)
            | Self::OverLimits(refused)
            | Self::Unsafe(refused)
            | Self::ViewNotRefreshed(_, refused)
            | Self::Failed(refused) => (refused.message.clone(), refused.hint.clone()),
        }
    }
}

impl From<LiveError> for RunError {
    fn from(error: LiveError) -> Self {
        if ErrorKind::of(&error) == ErrorKind::ConnectionLost {
            return Self::ConnectionLost(error.to_string());
        }
        let hint = error.server().and_then(|server| server.hint.clone()).unwrap_or_default();
        let detail = error.server().and_then(|server| server.detail.as_ref());
        let message = match detail {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        };
        Self::Failed(Refused::new(message, hint))
    }
}

impl From<Refused> for RunError {
    fn from(refused: Refused) -> Self {
        if refused.unsafe_precondition { Self::Unsafe(refused) } else { Self::Failed(refused) }
    }
}

impl From<BatchError> for RunError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Live(error) => error.into(),
            BatchError::Refused(refused) => refused.into(),
        }
    }
}

impl From<LiveError> for BatchError {
    fn from(error: LiveError) -> Self {
        Self::Live(error)
    }
}

impl From<Refused> for BatchError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
