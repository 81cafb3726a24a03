//! Runs a long statement so that the user can stop it: another connection cancels it.

use std::time::Duration;

use reconcile_apply::monitor::{Monitor, backend_pid};
use reconcile_live::{LiveError, Session};
use tokio::{sync::watch, time::sleep};

const POLL: Duration = Duration::from_millis(100);

/// Runs a statement to its end. Where it is cancelled, the server's error says so.
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
            let mut monitor = Monitor::new(pid, target.clone());
            cancelled = monitor.cancel().await.is_ok();
        }
    }
}
