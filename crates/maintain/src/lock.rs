//! One run of a rule, or refresh of a view, at a time: a session-level advisory lock on the table or view, tried and
//! never waited for, so that no snapshot grows old over it (TRAPS 8).

use std::time::Duration;

use reconcile_core::postgres::lock::RUN_LOCK;
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};

/// Long enough for a server to notice that the client of a batch has died.
const PATIENCE: Duration = Duration::from_secs(2);

const POLL: Duration = Duration::from_millis(100);

/// Tries to become the only run on a table. `Err` inside: who holds it.
pub(crate) async fn acquire(session: &mut Session, table: u32) -> Result<Result<(), String>, LiveError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let row = session.row(&format!("SELECT pg_try_advisory_lock({RUN_LOCK}, {})", number(table))).await?;
        if row.map(|row| row.try_get(0)).transpose()? == Some(true) {
            return Ok(Ok(()));
        }
        if Instant::now() >= until {
            return Ok(Err(holder(session, table).await?));
        }
        sleep(POLL).await;
    }
}

pub(crate) async fn release(session: &mut Session, table: u32) -> Result<(), LiveError> {
    session.batch(&format!("SELECT pg_advisory_unlock({RUN_LOCK}, {})", number(table))).await.map(drop)
}

async fn holder(session: &mut Session, table: u32) -> Result<String, LiveError> {
    let sql = format!(
        "SELECT 'process ' || l.pid || coalesce(', connected since ' || a.backend_start::text, '') FROM pg_locks l \
         LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND l.classid = {RUN_LOCK}::oid AND l.objid = {table}::oid LIMIT 1"
    );
    let row = session.row(&sql).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_else(|| "a run that has just ended".to_owned()))
}

/// An object identifier has 32 bits without a sign, the lock's number as many with one.
fn number(table: u32) -> i32 {
    i32::from_ne_bytes(table.to_ne_bytes())
}
