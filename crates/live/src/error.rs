//! What can go wrong on the way to and from the server. No message holds a password.

use sea_orm::sqlx;

/// An error of the connection or of a statement of ours.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The connection string cannot be read.
    #[error("the database URL is not valid: {0}")]
    Url(String),
    /// No connection came about.
    #[error("cannot connect to {target}: {message}")]
    Connect {
        /// Host, port and database; no password.
        target: String,
        /// What the server or the network said.
        message: String,
    },
    /// The server refused a statement.
    #[error("{}", .0.message)]
    Server(Box<ServerError>),
    /// Somebody holds what has to be read.
    #[error("process {pid} holds {relation} exclusively: {query}")]
    Held {
        /// What it holds.
        relation: String,
        /// The server's process.
        pid: i32,
        /// What it does.
        query: String,
    },
    /// The connection broke, or the server said what we cannot read.
    #[error("the connection to the database failed: {0}")]
    Connection(String),
}

/// What a server reports of a statement that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, such as `42703`.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
    /// Characters into the statements that were sent, from 1.
    pub position: Option<usize>,
}

impl ServerError {
    /// The offset in `query` that it points at, where that stood in brackets behind `before`.
    #[must_use]
    pub fn offset_in(&self, before: &str, query: &str) -> Option<usize> {
        // Characters of the batch, from 1, and the bracket.
        let into = self.position?.checked_sub(before.chars().count() + 2)?;
        query.char_indices().map(|(offset, _)| offset).chain([query.len()]).nth(into)
    }
}

impl From<sqlx::Error> for LiveError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
        let Some(database) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return Self::Connection(error.to_string());
        };
        Self::Server(Box::new(ServerError {
            code: database.code().to_owned(),
            message: database.message().to_owned(),
            detail: database.detail().map(str::to_owned),
            hint: database.hint().map(str::to_owned),
            position: match database.position() {
                Some(PgErrorPosition::Original(position)) => Some(position),
                Some(PgErrorPosition::Internal { .. }) | None => None,
            },
        }))
    }
}

impl LiveError {
    /// What the server said, if it was the server that said it.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            Self::Url(_) | Self::Connect { .. } | Self::Held { .. } | Self::Connection(_) => None,
        }
    }
}
