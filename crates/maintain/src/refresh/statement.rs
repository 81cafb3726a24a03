//! The statement that refreshes a view: with its time limits, again where somebody was in the way, cancelled where the
//! user wants to stop.

use reconcile_apply::failure::{FailureKind, backoff, kind};
use reconcile_core::{
    kinds::{
        matview::{Matview, catalog::Found},
        retention::preflight::Refused,
    },
    postgres::sql::Sql,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::time::sleep;

use super::Run;
use crate::{
    context::{Ended, number},
    event::Event,
    stoppable::stoppable,
};

/// Whether others can read on meanwhile. The first filling has nothing that they could read (TRAPS 28).
pub(super) fn is_concurrent(view: &Matview, found: &Found) -> bool {
    view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently) && found.populated
}

/// Who refreshes or changes a view now, however that was begun; to wait would be to do it twice (TRAPS 31).
pub(super) async fn other(session: &mut Session, view: u32) -> Result<Option<String>, LiveError> {
    let sql = Sql::new(
        "SELECT 'process ' || l.pid FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted \
         AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock') AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.relation = ",
    );
    let row = session.row(sql.number(i64::from(view)).raw(" LIMIT 1").as_str()).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

impl Run<'_> {
    /// Refreshes it, and counts its rows.
    pub(super) async fn executed(&mut self, view: &Matview, concurrently: bool) -> Result<u64, Ended> {
        let refresh = Sql::new("REFRESH MATERIALIZED VIEW ").raw(if concurrently { "CONCURRENTLY " } else { "" });
        let refresh = refresh.name(&view.name);
        // A plain refresh makes readers queue as long as it waits; nobody waits behind a concurrent one but others of
        // its kind.
        let lock = self.options.lock_timeout.as_millis().max(1);
        let timeout = view.refresh.as_ref().and_then(|refresh| refresh.timeout_ms).unwrap_or(0);
        let limits = format!("SET lock_timeout = {lock}; SET statement_timeout = {timeout}");
        self.session.batch(&limits).await?;
        let mut attempt = 0;
        let result = loop {
            let error = match stoppable(self.session, &self.stop, refresh.as_str()).await {
                Ok(()) => break Ok(()),
                Err(error) => error,
            };
            match kind(&error) {
                _ if *self.stop.borrow() => break Err(Ended::Stopped("it was interrupted".to_owned())),
                FailureKind::Lock if attempt < self.options.retries => {
                    attempt += 1;
                    let pause = backoff(attempt);
                    (self.tell)(Event::Waits(format!("{error}; attempt {} in {} ms", attempt + 1, pause.as_millis())));
                    sleep(pause).await;
                }
                FailureKind::Lock => break Err(Ended::Blocked(error.to_string())),
                FailureKind::Time => break Err(too_long(timeout, &error)),
                FailureKind::Lost | FailureKind::Other => break Err(error.into()),
            }
        };
        drop(self.session.batch("SET lock_timeout = 0; SET statement_timeout = 0").await);
        result?;
        let count = Sql::new("SELECT count(*) FROM ").name(&view.name);
        Ok(number(self.session, count.as_str()).await?)
    }
}

fn too_long(timeout: u64, error: &LiveError) -> Ended {
    Ended::Failed(Refused {
        message: format!("it took longer than its `timeout` of {timeout} ms: {error}"),
        hint: "nothing has changed; raise `refresh.timeout` of the view, and apply it".to_owned(),
    })
}
