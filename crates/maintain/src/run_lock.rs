//! One run of a rule, or one refresh of a view, at a time: an advisory lock on the table or view, by its object
//! identifier. The routines in the database take the same lock.

use std::time::Duration;

use reconcile_apply::advisory_lock::{self, Key};
use reconcile_core::postgres::lock::RUN_LOCK;
use reconcile_live::{LiveError, Session};

/// Long enough for a server to notice that the client of a batch has died.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tries to become the only run on a table or view. `Err` inside: who holds it.
pub(crate) async fn acquire(session: &mut Session, relation: u32) -> Result<Result<(), String>, LiveError> {
    let key = key(relation);
    if advisory_lock::poll(session, PATIENCE, async |session| key.try_lock(session).await).await? {
        return Ok(Ok(()));
    }
    let Some(holder) = advisory_lock::holder(session, &[key]).await? else {
        return Ok(Err("a run that has just ended".to_owned()));
    };
    let since = holder.since.map(|since| format!(", connected since {since}")).unwrap_or_default();
    Ok(Err(format!("process {}{since}", holder.pid)))
}

/// Releases the lock. A connection that is gone has released it already.
pub(crate) async fn release(session: &mut Session, relation: u32) {
    drop(key(relation).unlock(session).await);
}

fn key(relation: u32) -> Key {
    Key::Two(RUN_LOCK, relation)
}
