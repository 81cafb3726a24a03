//! Finds the session that blocks a reader of the catalogs. Some functions of the catalogs need a lock that conflicts
//! with a refresh, or with a change of a table. A plan does not wait long for it, so the error names the session to
//! wait for.

use sea_orm::sqlx::Row as _;

use crate::{LiveError, Session};

/// SQLSTATE `lock_not_available`.
const NO_LOCK: &str = "55P03";

/// The exclusive locks on relations of this database, those of the oldest statement first.
const HOLDERS: &str = "SELECT format('%I.%I', n.nspname, c.relname), a.pid, coalesce(nullif(a.query, ''), 'a statement that this role may not see') \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND c.relkind IN ('r', 'p', 'm', 'v') AND c.relpersistence <> 't' \
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast') \
    ORDER BY a.query_start LIMIT 1";

/// The error of a read. If it did not get a lock, the blocking session is named.
pub(crate) async fn explained(session: &mut Session, error: LiveError) -> LiveError {
    if error.server().is_none_or(|server| server.code != NO_LOCK) {
        return error;
    }
    // If there is no blocking session any more, the error of the server is returned.
    let _ = session.batch("ROLLBACK").await;
    let Ok(Some(row)) = session.row(HOLDERS).await else { return error };
    let read = || -> Result<_, LiveError> { Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)) };
    match read() {
        Ok((relation, pid, query)) => LiveError::Held { relation, pid, query },
        Err(_) => error,
    }
}
