//! Why a run of apply ended early.

use reconcile_core::{address::Address, plan::PlannedChange};
use reconcile_live::LiveError;

use crate::{monitor::Blocker, registry::RunOutcome, sqlstate::ErrorKind};

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The user asked for it.
    #[error("stopped on request")]
    Interrupted,
    /// A transaction of another session did not end within the time that the plan allows.
    #[error("{statement}: gave up waiting{}", .blocker.as_ref().map(|b| format!(" for {b}")).unwrap_or_default())]
    Blocked {
        /// The statement that was to run.
        statement: String,
        /// The blocking session, if the monitor saw one.
        blocker: Option<Blocker>,
    },
    /// The connection was lost, so the end of the statement is not known.
    #[error("{statement}: {error}")]
    ConnectionLost {
        /// The statement that was running.
        statement: String,
        /// The connection's error.
        error: LiveError,
    },
    /// The server refused a statement.
    #[error("{statement}: {error}")]
    Failed {
        /// The object.
        address: Option<Address>,
        /// The statement that was to run.
        statement: String,
        /// The error of the server.
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

    /// The outcome of the run, for the history.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        match self {
            Self::Interrupted | Self::Blocked { .. } | Self::ConnectionLost { .. } => RunOutcome::Incomplete,
            Self::Failed { .. } => RunOutcome::Failed,
        }
    }
}
