//! The advisory locks that an applier and its further connections hold, so that there is only one applier at a time.

use std::time::Duration;

use reconcile_live::{LiveError, Session};

use crate::advisory_lock::{self, Holder, Key, POLL};

/// "reconcil" in ASCII.
const NUMBER: i64 = 0x7265_636f_6e63_696c;

/// The lock that the connection that executes a plan holds.
const APPLIER: Key = Key::One(NUMBER);

/// The lock that the further connections of an applier share.
const WORKERS: Key = Key::One(NUMBER + 1);

/// Tries to become the only applier within `patience`. The inner `Err(holder)` says that another applier is at work, or
/// still a connection of one that has died.
///
/// # Errors
/// The connection or the server fails.
pub async fn acquire(session: &mut Session, patience: Duration) -> Result<Result<(), Holder>, LiveError> {
    let mut patience = patience;
    loop {
        if advisory_lock::poll(session, patience, try_alone).await? {
            return Ok(Ok(()));
        }
        if let Some(holder) = holder(session).await? {
            return Ok(Err(holder));
        }
        // The holder has just ended. The lock is free now, unless another applier was faster.
        patience = POLL;
    }
}

/// Takes the lock if no connection of another applier is left.
async fn try_alone(session: &mut Session) -> Result<bool, LiveError> {
    if !APPLIER.try_lock(session).await? {
        return Ok(false);
    }
    if WORKERS.try_lock(session).await? {
        WORKERS.unlock(session).await?;
        return Ok(true);
    }
    APPLIER.unlock(session).await?;
    Ok(false)
}

/// Makes the next applier wait for a further connection of this one, for as long as that works.
///
/// # Errors
/// The connection or the server fails.
pub async fn take_part(session: &mut Session) -> Result<(), LiveError> {
    if WORKERS.try_lock_shared(session).await? {
        return Ok(());
    }
    Err(LiveError::Connection(
        "another program holds the advisory lock of reconcile's builds; run this again once it is done".to_owned(),
    ))
}

/// Whether an applier is at work at this moment.
///
/// # Errors
/// The connection or the server fails.
pub async fn is_held(session: &mut Session) -> Result<bool, LiveError> {
    Ok(holder(session).await?.is_some())
}

async fn holder(session: &mut Session) -> Result<Option<Holder>, LiveError> {
    advisory_lock::holder(session, &[APPLIER, WORKERS]).await
}
