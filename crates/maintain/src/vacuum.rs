//! VACUUM (ANALYZE) of the tables that rows went from or came to, outside any transaction. It makes their room free for
//! new rows; files hardly ever shrink by it.

use reconcile_core::kinds::retention::{batch, facts::Table};
use tokio::time::Instant;

use crate::{
    event::{Outcome, Step},
    line::{Heading, Line},
    site::{Ended, Site},
    stoppable::stoppable,
};

const ACTION: &str = "VACUUM ANALYZE";

/// Vacuums a table. What it does not do is no reason for the run to fail: autovacuum comes by as well.
pub(crate) async fn vacuum(site: &mut Site<'_>, heading: Heading<'_>, table: &Table) -> Result<Step, Ended> {
    let mut step = Step::of(&table.name, ACTION.to_owned());
    if !table.own().is_some_and(|part| part.may_vacuum) {
        step.outcome = Outcome::Skipped;
        step.message = Some("this role may not vacuum it; autovacuum does, in its time".to_owned());
        return Ok(Line::begin(site, heading, step).await?.step);
    }
    let mut line = Line::begin(site, heading, step).await?;
    let began = Instant::now();
    let result = stoppable(site.session, &site.stop, batch::vacuum([&table.name]).as_str()).await;
    line = line.after(0, began.elapsed());
    match result.map_err(Ended::from) {
        Ok(()) => Ok(line.close(site, None).await),
        Err(Ended::Failed(refused)) => Ok(line.close(site, Some(&Ended::Stopped(refused.message))).await),
        Err(why) => {
            drop(line.close(site, Some(&why)).await);
            Err(why)
        }
    }
}
