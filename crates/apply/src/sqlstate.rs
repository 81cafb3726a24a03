//! What the error codes of the server mean for the next statement (manual, appendix A).

use reconcile_live::LiveError;

/// `insufficient_privilege`.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// `undefined_table`.
pub const UNDEFINED_TABLE: &str = "42P01";

/// `foreign_key_violation`.
pub const FOREIGN_KEY_VIOLATION: &str = "23503";

/// `unique_violation`.
pub const UNIQUE_VIOLATION: &str = "23505";

/// `dependent_objects_still_exist`.
pub const DEPENDENT_OBJECTS: &str = "2BP01";

/// `duplicate_table`, which the server reports for any relation.
pub(crate) const DUPLICATE_TABLE: &str = "42P07";

/// `query_canceled`, by a timeout or on request.
pub(crate) const QUERY_CANCELED: &str = "57014";

/// Kinds of errors, by what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The lock timeout was over, there was a deadlock, or a row was changed at the same moment.
    Lock,
    /// The statement ran out of time, or was cancelled.
    Timeout,
    /// The connection was lost, or the server is shutting down.
    ConnectionLost,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The kind of an error.
    #[must_use]
    pub fn of(error: &LiveError) -> Self {
        let code = match error {
            LiveError::Server(error) => error.code.as_str(),
            LiveError::Connection(_) | LiveError::Connect { .. } => return Self::ConnectionLost,
            LiveError::Held { .. } => return Self::Lock,
            LiveError::Url(_) | LiveError::Protocol(_) | LiveError::Registry(_) => return Self::Other,
        };
        match code {
            "55P03" | "40P01" | "40001" => Self::Lock,
            QUERY_CANCELED => Self::Timeout,
            // Class 08, and "terminating connection" in its forms.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Self::ConnectionLost,
            code if code.starts_with("08") => Self::ConnectionLost,
            _ => Self::Other,
        }
    }
}

/// Whether the server gave this code.
#[must_use]
pub fn is(error: &LiveError, code: &str) -> bool {
    error.server().is_some_and(|server| server.code == code)
}
