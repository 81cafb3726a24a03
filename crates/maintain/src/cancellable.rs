//! A statement that takes long, and ends where the user wants to stop: another connection cancels it.

use std::time::Duration;

use reconcile_apply::monitor::{Monitor, backend_pid};
use reconcile_live::{LiveError, Session};
use tokio::{sync::watch, time::sleep};

const POLL: Duration = Duration::from_millis(100);

/// Runs it to its end, or until it is cancelled, which is an error of the server's then.
pub(crate) async fn run_cancellable(
    session: &mut Session,
    stop: &watch::Receiver<bool>,
    sql: &str,
) -> Result<(), LiveError> {
    let target = session.target().clone();
    let pid = backend_pid(session).await?;
    let running = session.batch(sql);
    tokio::pin!(running);
    let mut cancelled = false;
    loop {
        tokio::select! {
            result = &mut running => return result.map(drop),
            () = sleep(POLL) => {}
        }
        if *stop.borrow() && !cancelled {
            let mut monitor = Monitor::of(pid, target.clone());
            cancelled = monitor.cancel().await.is_ok();
        }
    }
}
