//! What can go wrong on the way to and from the server. No message holds a password.

use reconcile_core::{
    postgres::{batch::ServerError, rows::DecodeError},
    registry::EntryError,
};
use sea_orm::sqlx;

/// An error of the connection, of a statement of ours, or of what the registry holds.
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
    /// The connection broke.
    #[error("the connection to the database failed: {0}")]
    Connection(String),
    /// The server answered otherwise than PostgreSQL does: a bug of ours, or not PostgreSQL.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
    /// The registry holds what this version cannot read.
    #[error(transparent)]
    Registry(#[from] EntryError),
}

impl From<sqlx::Error> for LiveError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
        let Some(database) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return match error {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::RowNotFound
                | sqlx::Error::TypeNotFound { .. } => Self::Protocol(error.to_string()),
                _ => Self::Connection(error.to_string()),
            };
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

impl From<DecodeError> for LiveError {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl LiveError {
    /// What the server said, if it was the server that said it.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            Self::Url(_)
            | Self::Connect { .. }
            | Self::Held { .. }
            | Self::Connection(_)
            | Self::Protocol(_)
            | Self::Registry(_) => None,
        }
    }
}
