//! The errors of talking to the server. No message contains a password.

use reconcile_core::{
    postgres::{batch::ServerError, rows::DecodeError},
    registry::EntryError,
};
use sea_orm::sqlx;

/// An error of the connection, of a statement, or of an entry in the registry.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The connection string cannot be read.
    #[error("the database URL is not valid: {0}")]
    Url(String),
    /// The connection could not be opened.
    #[error("cannot connect to {target}: {message}")]
    Connect {
        /// Host, port and database, without the password.
        target: String,
        /// The error of the server or of the network.
        message: String,
    },
    /// The server refused a statement.
    #[error("{}", .0.message)]
    Server(Box<ServerError>),
    /// Another session has locked an object that has to be read.
    #[error("process {pid} holds an exclusive lock on {relation}: {query}")]
    Held {
        /// The locked relation.
        relation: String,
        /// The process ID of the session that holds the lock.
        pid: i32,
        /// The statement of that session.
        query: String,
    },
    /// The connection broke.
    #[error("the connection to the database failed: {0}")]
    Connection(String),
    /// The answer is not what PostgreSQL gives. This is a bug of reconcile, or the server is not PostgreSQL.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
    /// This version cannot read an entry in the registry.
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
    /// The error of the server, if it is one.
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
