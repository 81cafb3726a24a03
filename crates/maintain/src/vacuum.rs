//! VACUUM (ANALYZE) of the tables that rows went from or came to, outside any transaction. It makes their room free for
//! new rows; files hardly ever shrink by it.

use std::time::Duration;

use reconcile_core::kinds::retention::{batch, facts::Table};
use tokio::time::Instant;

use crate::{
    event::{Outcome, Step},
    line::{Heading, Line},
    site::{Ended, Site},
};

const ACTION: &str = "VACUUM ANALYZE";

/// Vacuums a table. What it does not do is no reason for the run to fail: autovacuum comes by as well.
pub(crate) async fn vacuum(site: &mut Site<'_>, heading: Heading<'_>, table: &Table) -> Result<Step, Ended> {
    let mut step = Step::new(&table.name, ACTION.to_owned());
    if !table.own().is_some_and(|part| part.may_vacuum) {
        step.outcome = Outcome::Skipped;
        step.message = Some("this role may not vacuum it; autovacuum does, in its time".to_owned());
        return Ok(Line::begin(site, heading, step).await?.step);
    }
    let mut line = Line::begin(site, heading, step).await?;
    let began = Instant::now();
    let result = watched(site, batch::vacuum([&table.name]).as_str()).await;
    line = line.after(0, began.elapsed());
    match result {
        Ok(()) => Ok(line.close(site, None).await),
        Err(Ended::Failed(refused)) => Ok(line.close(site, Some(&Ended::Stopped(refused.message))).await),
        Err(why) => {
            drop(line.close(site, Some(&why)).await);
            Err(why)
        }
    }
}

/// Ends it where the user wants to stop: another connection cancels it.
async fn watched(site: &mut Site<'_>, sql: &str) -> Result<(), Ended> {
    const POLL: Duration = Duration::from_millis(100);
    let target = site.session.target().clone();
    let pid = crate::site::number(site.session, "SELECT pg_backend_pid()::int8").await?;
    let running = site.session.batch(sql);
    tokio::pin!(running);
    let mut cancelled = false;
    loop {
        tokio::select! {
            result = &mut running => return Ok(result.map(drop)?),
            () = tokio::time::sleep(POLL) => {}
        }
        if *site.stop.borrow() && !cancelled {
            let pid = i32::try_from(pid).unwrap_or(0);
            let mut onlooker = reconcile_apply::onlooker::Onlooker::of(pid, target.clone());
            cancelled = onlooker.cancel().await.is_ok();
        }
    }
}
