//! How a worker waits: for older transactions before a build, and for a statement that runs.

use std::time::Duration;

use reconcile_core::{
    plan::{Effect, Step},
    postgres::batch::ServerError,
};
use reconcile_live::LiveError;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    event::Event,
    monitor::{Blocker, INTERVAL, Monitor, Observation},
    sqlstate::QUERY_CANCELED,
    worker::{Shared, Worker},
};

/// A second connection that does not answer for this long is replaced.
const SLOW: Duration = Duration::from_secs(5);

impl Worker<'_, '_> {
    /// Waits, before concurrent builds or drops, until every transaction that they would wait for has ended. If a build
    /// runs into its timeout instead, the clean-up has to wait for the same transactions (docs/pitfalls.md, "A
    /// concurrent build waits for older transactions").
    pub(crate) async fn wait_for_older(
        &mut self,
        position: usize,
        step: &Step,
        effects: &[&Effect],
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        let budget = step.timeouts.statement_ms.map(Duration::from_millis);
        let began = Instant::now();
        let ours = self.shared.ours.borrow().clone();
        let since = self.monitor.present(&ours).await?;
        while let Some(older) = self.monitor.older(effects, &since).await? {
            self.shared.notice(position, older, blocker);
            let over = self.shared.is_over();
            if over || budget.is_some_and(|budget| began.elapsed() >= budget) {
                let message = if over {
                    "not started, because the run stops"
                } else {
                    "an older transaction did not end in time"
                };
                return Err(LiveError::Server(Box::new(ServerError {
                    code: QUERY_CANCELED.to_owned(),
                    message: message.to_owned(),
                    detail: None,
                    hint: None,
                    position: None,
                })));
            }
            sleep(INTERVAL).await;
        }
        *blocker = None;
        Ok(())
    }

    /// Runs a statement while the monitor reports its progress. Cancels it when the user wants to stop.
    pub(crate) async fn watched(
        &mut self,
        position: usize,
        step: &Step,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        let shared = self.shared;
        // The first look is early enough to see the blocking session before the lock timeout is over.
        let mut pause = step.timeouts.lock_ms.map_or(INTERVAL, |lock| Duration::from_millis(lock / 3).min(INTERVAL));
        let running = self.session.batch(step.sql.as_str());
        tokio::pin!(running);
        loop {
            tokio::select! {
                result = &mut running => return result.map(drop),
                () = sleep(pause) => pause = INTERVAL,
            }
            // If the monitor fails or is slow, it tries again later. The statement goes on meanwhile, and a slow second
            // connection does not delay its end.
            let stopped = shared.is_stopped();
            let seen = tokio::select! {
                result = &mut running => return result.map(drop),
                seen = timeout(SLOW, look(&mut self.monitor, stopped)) => seen,
            };
            let Ok(Ok(sight)) = seen else { continue };
            if let Some(progress) = sight.progress {
                shared.tell(Event::Progress(position, progress));
            }
            if let Some(seen) = sight.blocker {
                shared.notice(position, seen, blocker);
            }
        }
    }
}

impl Shared<'_> {
    /// Reports a blocker, unless it is the same as before.
    fn notice(&self, position: usize, seen: Blocker, blocker: &mut Option<Blocker>) {
        if blocker.as_ref().is_none_or(|known| known.pid != seen.pid) {
            self.tell(Event::Waiting(position, seen.clone()));
        }
        *blocker = Some(seen);
    }
}

/// Looks at the progress of the statement. If the user wants to stop, cancels it first.
async fn look(monitor: &mut Monitor, stopped: bool) -> Result<Observation, LiveError> {
    if stopped {
        monitor.cancel().await?;
    }
    monitor.look().await
}
