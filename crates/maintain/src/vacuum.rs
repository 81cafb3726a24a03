//! VACUUM (ANALYZE) of the tables that rows went from or came to, outside any transaction. It makes their room free for
//! new rows; files hardly ever shrink by it.

use reconcile_core::kinds::retention::{batch, catalog::Table};
use tokio::time::Instant;

use crate::{
    context::{Ended, RunContext},
    event::{Outcome, Step},
    record::{Heading, Line},
    stoppable::stoppable,
};

const ACTION: &str = "VACUUM ANALYZE";

/// Vacuums a table. What it does not do is no reason for the run to fail: autovacuum comes by as well.
pub(crate) async fn vacuum(context: &mut RunContext<'_>, heading: Heading<'_>, table: &Table) -> Result<Step, Ended> {
    let mut step = Step::of(&table.name, ACTION.to_owned());
    if !table.own().is_some_and(|part| part.may_vacuum) {
        step.outcome = Outcome::Skipped;
        step.message = Some("this role may not vacuum it; autovacuum does, in its time".to_owned());
        return Ok(Line::begin(context, heading, step).await?.step);
    }
    let mut line = Line::begin(context, heading, step).await?;
    let began = Instant::now();
    let result = stoppable(context.session, &context.stop, batch::vacuum([&table.name]).as_str()).await;
    line = line.after(0, began.elapsed());
    match result.map_err(Ended::from) {
        Ok(()) => Ok(line.close(context, None).await),
        Err(Ended::Failed(refused)) => Ok(line.close(context, Some(&Ended::Stopped(refused.message))).await),
        Err(why) => {
            drop(line.close(context, Some(&why)).await);
            Err(why)
        }
    }
}
