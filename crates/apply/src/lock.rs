//! One applier at a time: a session-level advisory lock, polled outside any transaction (TRAPS 8).

use std::time::Duration;

use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};

/// "reconcil" in ASCII. Advisory locks are per database (manual, section 13.3.5), so one number is enough.
const KEY: i64 = 0x7265_636f_6e63_696c;

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

/// Tries to become the only applier within `patience`. `Err(holder)` inside: another one works.
///
/// # Errors
/// The connection or the server fails.
pub async fn acquire(session: &mut Session, patience: Duration) -> Result<Result<(), Holder>, LiveError> {
    let until = Instant::now() + patience;
    loop {
        let results = session.batch(&format!("SELECT pg_try_advisory_lock({KEY})")).await?;
        let got = results.first().and_then(|rows| rows.first()).map(|row| row.try_get::<bool, _>(0)).transpose()?;
        if got == Some(true) {
            return Ok(Ok(()));
        }
        if Instant::now() >= until
            && let Some(holder) = holder(session).await?
        {
            return Ok(Err(holder));
        }
        sleep(POLL).await;
    }
}

async fn holder(session: &mut Session) -> Result<Option<Holder>, LiveError> {
    let sql = format!(
        "SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.backend_start::text, 'an unknown time') \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1 \
         AND l.classid = ({KEY} >> 32)::oid AND l.objid = ({KEY} & 4294967295)::oid"
    );
    let results = session.batch(&sql).await?;
    let Some(row) = results.first().and_then(|rows| rows.first()) else { return Ok(None) };
    Ok(Some(Holder { pid: row.try_get(0)?, application: row.try_get(1)?, since: row.try_get(2)? }))
}
