//! What it means that the server refused a statement, and how long to wait before the next attempt.

use std::time::Duration;

use reconcile_live::LiveError;

/// SQLSTATE `query_canceled`.
pub(crate) const TIMED_OUT: &str = "57014";

/// Kinds of refusals, by what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A lock was not to be had in time, two waited for each other, or a row was changed at the same moment.
    Lock,
    /// The statement ran out of time, or was cancelled.
    Time,
    /// The connection is gone, or the server ends.
    Lost,
    /// Anything else.
    Other,
}

/// By the SQLSTATE.
#[must_use]
pub fn kind(error: &LiveError) -> FailureKind {
    let code = match error {
        LiveError::Server(error) => error.code.as_str(),
        LiveError::Connection(_) | LiveError::Connect { .. } => return FailureKind::Lost,
        LiveError::Held { .. } => return FailureKind::Lock,
        LiveError::Url(_) => return FailureKind::Other,
    };
    match code {
        "55P03" | "40P01" | "40001" => FailureKind::Lock,
        TIMED_OUT => FailureKind::Time,
        // Class 08, and "terminating connection" in its forms (manual, appendix A).
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => FailureKind::Lost,
        code if code.starts_with("08") => FailureKind::Lost,
        _ => FailureKind::Other,
    }
}

/// The name belongs to something that stood there before: not our remnant.
pub(crate) fn is_name_taken(error: &LiveError) -> bool {
    error.server().is_some_and(|server| server.code == "42P07")
}

/// Twice as long from attempt to attempt, up to 30 s, half of it by chance, so that two who wait do not meet again.
#[must_use]
pub fn backoff(attempt: u32) -> Duration {
    let full = 100 * 2_u64.pow(attempt.min(8)).min(300);
    Duration::from_millis(full / 2 + fastrand::u64(0..=full / 2))
}
