//! Why a run of apply ended early.

use reconcile_core::{address::Address, plan::PlannedChange};
use reconcile_live::LiveError;

use crate::{monitor::Blocker, registry::RunOutcome, sqlstate::ErrorKind};

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The user asked it to.
    #[error("stopped on request")]
    Interrupted,
    /// Somebody else's transaction did not end within the time that the plan allows.
    #[error("{statement}: gave up waiting{}", .blocker.as_ref().map(|b| format!(" for {b}")).unwrap_or_default())]
    Blocked {
        /// What was to run.
        statement: String,
        /// Who was in the way, where that was seen.
        blocker: Option<Blocker>,
    },
    /// The connection is gone, so nobody has seen how the statement ended.
    #[error("{statement}: {error}")]
    ConnectionLost {
        /// What was running.
        statement: String,
        /// The connection's error.
        error: LiveError,
    },
    /// The server refused a statement.
    #[error("{statement}: {error}")]
    Failed {
        /// The object.
        address: Option<Address>,
        /// What was to run.
        statement: String,
        /// What the server said.
        error: LiveError,
    },
}

impl RunError {
    /// A statement failed, and is not tried again.
    pub(crate) fn failed(change: Option<&PlannedChange>, statement: String, error: LiveError) -> Self {
        match ErrorKind::of(&error) {
            ErrorKind::ConnectionLost => Self::ConnectionLost { statement, error },
            ErrorKind::Lock | ErrorKind::Timeout | ErrorKind::Other => {
                Self::Failed { address: change.map(|change| change.address.clone()), statement, error }
            }
        }
    }

    /// As the history has it.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        match self {
            Self::Interrupted | Self::Blocked { .. } | Self::ConnectionLost { .. } => RunOutcome::Incomplete,
            Self::Failed { .. } => RunOutcome::Failed,
        }
    }
}
