//! One applier at a time: a session-level advisory lock, polled outside any transaction (TRAPS 8).

use std::time::Duration;

use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};

/// "reconcil" in ASCII. Advisory locks are per database (manual, section 13.3.5), so one number is enough.
const KEY: i64 = 0x7265_636f_6e63_696c;

/// Shared by the further connections of an applier.
const WORKERS: i64 = KEY + 1;

/// How often the lock is tried.
const POLL: Duration = Duration::from_millis(200);

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its backend's process.
    pub pid: i32,
    /// Its `application_name`.
    pub application: String,
    /// When its connection was opened, by the clock of the database.
    pub since: String,
}

/// Tries to become the only applier within `patience`. `Err(holder)` inside: another one works, or a connection of
/// one that has died still does.
///
/// # Errors
/// The connection or the server fails.
pub async fn acquire(session: &mut Session, patience: Duration) -> Result<Result<(), Holder>, LiveError> {
    let until = Instant::now() + patience;
    loop {
        if asked(session, &format!("pg_try_advisory_lock({KEY})")).await? {
            if asked(session, &format!("pg_try_advisory_lock({WORKERS})")).await? {
                asked(session, &format!("pg_advisory_unlock({WORKERS})")).await?;
                return Ok(Ok(()));
            }
            asked(session, &format!("pg_advisory_unlock({KEY})")).await?;
        }
        if Instant::now() >= until
            && let Some(holder) = holder(session).await?
        {
            return Ok(Err(holder));
        }
        sleep(POLL).await;
    }
}

/// Lets a further connection of the applier hold up the next one for as long as it works.
///
/// # Errors
/// The connection or the server fails.
pub async fn take_part(session: &mut Session) -> Result<(), LiveError> {
    if asked(session, &format!("pg_try_advisory_lock_shared({WORKERS})")).await? {
        return Ok(());
    }
    Err(LiveError::Connection("another program holds the advisory lock of the builds".to_owned()))
}

/// Whether anybody applies at this moment.
///
/// # Errors
/// The connection or the server fails.
pub async fn is_held(session: &mut Session) -> Result<bool, LiveError> {
    Ok(holder(session).await?.is_some())
}

async fn asked(session: &mut Session, function: &str) -> Result<bool, LiveError> {
    let row = session.row(&format!("SELECT {function}")).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()? == Some(true))
}

async fn holder(session: &mut Session) -> Result<Option<Holder>, LiveError> {
    let sql = format!(
        "SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.backend_start::text, 'an unknown time') \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1 \
         AND l.classid = ({KEY} >> 32)::oid AND l.objid IN (({KEY} & 4294967295)::oid, ({WORKERS} & 4294967295)::oid) \
         AND a.pid <> pg_backend_pid() ORDER BY l.objid LIMIT 1"
    );
    let Some(row) = session.row(&sql).await? else { return Ok(None) };
    Ok(Some(Holder { pid: row.try_get(0)?, application: row.try_get(1)?, since: row.try_get(2)? }))
}
