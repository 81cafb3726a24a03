//! Checks a connection before anything is written through it: the database takes writes, and no pooler hands the
//! connection to others. What else has to hold before a plan or a rule runs is checked by those who run it.

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

/// Checks a connection. Gives the second connection that the check needed.
///
/// # Errors
/// Nothing can be written through it, or a connection fails.
pub async fn check(session: &mut Session) -> Result<Session, PreflightError> {
    // The statements that follow, such as those of the registry, are written for this setting.
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
