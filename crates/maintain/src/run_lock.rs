//! One run of a rule, or one refresh of a view, at a time: an advisory lock on the table or view, by its object
//! identifier. The routines in the database take the same lock.

use std::time::Duration;

use reconcile_apply::advisory_lock::{self, Key};
use reconcile_core::postgres::lock::RUN_LOCK;
use reconcile_live::{LiveError, Session};

use crate::{context::RunContext, run_error::RunError};

/// Long enough for a server to notice that the client of a batch has died.
const PATIENCE: Duration = Duration::from_secs(2);

/// Works as the only run on a table or view. `overlap`: the error where somebody else is at work, by who that is.
pub(crate) async fn alone<T>(
    context: &mut RunContext<'_>,
    relation: u32,
    overlap: fn(&str) -> RunError,
    work: impl AsyncFnOnce(&mut RunContext<'_>) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let key = Key::Two(RUN_LOCK, relation);
    if !advisory_lock::poll(context.session, PATIENCE, async |session| key.try_lock(session).await).await? {
        return Err(overlap(&holder(context.session, key).await?));
    }
    let result = work(context).await;
    // A connection that is gone has released it already.
    drop(key.unlock(context.session).await);
    result
}

async fn holder(session: &mut Session, key: Key) -> Result<String, LiveError> {
    let Some(holder) = advisory_lock::holder(session, &[key]).await? else {
        return Ok("a run that has just ended".to_owned());
    };
    let since = holder.since.map(|since| format!(", connected since {since}")).unwrap_or_default();
    Ok(format!("process {}{since}", holder.pid))
}
