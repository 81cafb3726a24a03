//! A statement that takes long, and ends where the user wants to stop: another connection cancels it.

use std::time::Duration;

use reconcile_apply::monitor::Monitor;
use reconcile_live::{LiveError, Session};
use tokio::{sync::watch, time::sleep};

use crate::context::number;

const POLL: Duration = Duration::from_millis(100);

/// Runs it to its end, or until it is cancelled, which is an error of the server's then.
pub(crate) async fn stoppable(session: &mut Session, stop: &watch::Receiver<bool>, sql: &str) -> Result<(), LiveError> {
    let target = session.target().clone();
    let pid = number(session, "SELECT pg_backend_pid()::int8").await?;
    let running = session.batch(sql);
    tokio::pin!(running);
    let mut cancelled = false;
    loop {
        tokio::select! {
            result = &mut running => return result.map(drop),
            () = sleep(POLL) => {}
        }
        if *stop.borrow() && !cancelled {
            let mut monitor = Monitor::of(i32::try_from(pid).unwrap_or(0), target.clone());
            cancelled = monitor.cancel().await.is_ok();
        }
    }
}
