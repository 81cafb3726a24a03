//! Checks a connection before anything is written through it: the database must accept writes, and no transaction
//! pooler may stand in between. Other conditions of a plan or a rule are left to the code that runs them.

use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

use crate::pooler;

/// Why a connection cannot be used for writing.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The connection or the server failed.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The database accepts no writes, because it is on a standby or because of a setting.
    #[error("database `{0}` is read-only, for example because it is a standby; nothing was written")]
    ReadOnly(String),
    /// A transaction pooler stands between the program and the server.
    #[error(
        "a transaction pooler stands between reconcile and the server: locks and settings would end up in the sessions \
         of other clients; nothing was written"
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
            Self::Pooler => Some("connect to the server directly, or through a pooler in session mode"),
        }
    }
}

/// Checks a connection. Returns the second connection that the check needed.
///
/// # Errors
/// The connection cannot be used for writing, or a connection fails.
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
