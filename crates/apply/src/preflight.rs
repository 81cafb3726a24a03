//! What a connection must be before anything is written through it: to a server that takes writes, and nobody else's
//! between two statements. What else has to hold before a plan or a rule runs is left to those who run it.

use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

use crate::pooler;

/// Why nothing can be written through a connection.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// Connection or server.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The database takes no writes: it is on a standby, or a setting says so.
    #[error("database `{0}` is read-only, such as a standby is; nothing was written")]
    ReadOnly(String),
    /// A pooler hands the connection to others.
    #[error(
        "a transaction pooler stands between here and the server: locks and settings would land on other people's \
         connections; nothing was written"
    )]
    Pooler,
}

impl PreflightError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Live(_) => None,
            Self::ReadOnly(_) => Some("connect to the primary"),
            Self::Pooler => Some("connect to the server itself, or through the pooler in session mode"),
        }
    }
}

/// Looks at a connection that is to write. Gives the second connection that it took to find out.
///
/// # Errors
/// Nothing can be written through it, or a connection fails.
pub async fn check(session: &mut Session) -> Result<Session, PreflightError> {
    // What is written next, such as the registry's tables, has plain string literals; a setting may say otherwise.
    let sql = "SET standard_conforming_strings = on; \
        SELECT current_database()::text, current_setting('transaction_read_only')::bool";
    if let Some(row) = session.row(sql).await? {
        let (database, read_only) =
            (row.try_get(0).map_err(LiveError::from)?, row.try_get(1).map_err(LiveError::from)?);
        if read_only {
            return Err(PreflightError::ReadOnly(database));
        }
    }
    let mut other = session.another().await?;
    if pooler::is_between(session, &mut other).await? {
        return Err(PreflightError::Pooler);
    }
    Ok(other)
}
