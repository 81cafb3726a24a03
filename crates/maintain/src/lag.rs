//! How far replicas are behind, and the wait for them. `pg_stat_replication.replay_lag` does not change on a replica
//! whose replay is paused, so the run also remembers the positions of the log and sees how much of it was replayed.

use std::{collections::VecDeque, time::Duration};

use reconcile_core::kinds::retention::preflight::Refused;
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};

use crate::{context::RunContext, event::Event, run_error::RunError};

/// How often replicas are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Positions of the log that replicas have yet to reach.
#[derive(Debug)]
pub(crate) struct Lag {
    most: Option<Duration>,
    written: VecDeque<(Instant, i64)>,
    looked: Option<Instant>,
}

impl Lag {
    pub(crate) fn new(most_ms: Option<u64>) -> Self {
        Self { most: most_ms.map(Duration::from_millis), written: VecDeque::new(), looked: None }
    }

    /// Makes sure that the role sees replicas: otherwise it would never wait for them.
    pub(crate) async fn check(&self, context: &mut RunContext<'_>) -> Result<(), RunError> {
        if self.most.is_none() {
            return Ok(());
        }
        let row = context.session.row("SELECT pg_has_role('pg_read_all_stats', 'USAGE')").await?;
        if row.map(|row| row.try_get(0)).transpose().map_err(reconcile_live::LiveError::from)? == Some(true) {
            return Ok(());
        }
        Err(RunError::Failed(Refused::new(
            "the rule has `max_lag`, and this role does not see how far replicas are".to_owned(),
            "GRANT pg_monitor TO the role".to_owned(),
        )))
    }

    /// Returns when no replica is too far behind, or `over` says why to wait no longer.
    pub(crate) async fn wait(
        &mut self,
        context: &mut RunContext<'_>,
        over: impl Fn(&RunContext<'_>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let Some(most) = self.most else { return Ok(()) };
        if self.looked.is_some_and(|looked| looked.elapsed() < POLL) {
            return Ok(());
        }
        let mut told = false;
        loop {
            let behind = self.behind(context).await?;
            self.looked = Some(Instant::now());
            if behind <= most {
                return Ok(());
            }
            if !told {
                (context.tell)(Event::Waiting(format!("a replica is {} ms behind", behind.as_millis())));
                told = true;
            }
            over(context)?;
            sleep(POLL).await;
        }
    }

    async fn behind(&mut self, context: &mut RunContext<'_>) -> Result<Duration, RunError> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8, \
            min(pg_wal_lsn_diff(replay_lsn, '0/0'))::int8, \
            coalesce((extract(epoch FROM max(replay_lag)) * 1000)::int8, 0) FROM pg_stat_replication";
        let Some(row) = context.session.row(sql).await? else { return Ok(Duration::ZERO) };
        let read = || -> Result<(i64, Option<i64>, i64), reconcile_live::LiveError> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (now, replayed, lag) = read()?;
        let Some(replayed) = replayed else {
            self.written.clear();
            return Ok(Duration::ZERO);
        };
        while self.written.front().is_some_and(|(_, position)| *position <= replayed) {
            self.written.pop_front();
        }
        let seen = self.written.front().map_or(Duration::ZERO, |(when, _)| when.elapsed());
        if self.written.back().is_none_or(|(_, position)| *position < now) {
            self.written.push_back((Instant::now(), now));
        }
        let lag = Duration::from_millis(u64::try_from(lag).unwrap_or(0));
        Ok(if replayed >= now { Duration::ZERO } else { seen.max(lag) })
    }
}
