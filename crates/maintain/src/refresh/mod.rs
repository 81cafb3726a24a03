//! Refreshes materialized views one after the other, each after those that it reads. Where one fails, those that read
//! it are skipped, and no others. The statement itself is in `statement`.

mod statement;

use std::{collections::BTreeSet, time::Duration};

use reconcile_apply::registry::run_record::RunTable;
use reconcile_core::{
    kinds::{
        matview::{self, Matview, catalog::Found, order},
        retention::preflight::Refused,
    },
    postgres::name::QualifiedName,
};
use reconcile_live::{LiveError, Session, settings};
use tokio::{sync::watch, time::Instant};

use self::statement::is_concurrent;
use crate::{
    Options,
    context::RunContext,
    event::{Event, Operation, Report, Subject},
    record::{RecordedOperation, RunKey, next_run},
    run_error::RunError,
    run_lock,
    run_outcome::RunOutcome,
};

/// Refreshes views on a connection that is known to be ours alone. `stop` ends it, and what runs.
///
/// # Errors
/// Nothing was done: the connection or the server failed before the first view.
pub async fn refresh(
    session: &mut Session,
    views: &[Matview],
    options: &Options,
    stop: watch::Receiver<bool>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    settings::take(session, &options.search_path).await?;
    let names: Vec<_> = views.iter().map(|view| &view.name).collect();
    let found = matview::read::facts_of(session, &names).await?;
    let reads = |view: &Matview| found.get(&view.name).map(|found| found.reads.clone()).unwrap_or_default();
    let reads: Vec<_> = views.iter().map(|view| (view.name.clone(), reads(view))).collect();
    // Plain views may make views read each other in a circle. No order is right then, and any is better than none.
    let order = order::sorted(&reads).unwrap_or_else(|_| reads.iter().map(|(name, _)| name.clone()).collect());
    let mut context = RunContext { session, options, stop, tell, files: None, proof: None };
    let number = next_run(&mut context, RunTable::Refresh).await?;
    let mut run = Run { context, number, old: BTreeSet::new(), operations: Vec::new() };
    let mut outcome = RunOutcome::Done;
    for view in order.iter().filter_map(|name| views.iter().find(|view| view.name == *name)) {
        let error = run.view(view, found.get(&view.name)).await;
        outcome = outcome.min(error.as_ref().map_or(RunOutcome::Done, RunError::run_outcome));
        if matches!(error, Some(RunError::ConnectionLost(_))) {
            break;
        }
    }
    Ok(Report { operations: run.operations, outcome })
}

/// A run at work.
struct Run<'a> {
    context: RunContext<'a>,
    number: i64,
    /// Views that were not brought up to date.
    old: BTreeSet<QualifiedName>,
    operations: Vec<Operation>,
}

impl Run<'_> {
    /// Refreshes one view. Gives why it is not up to date, unless it is.
    async fn view(&mut self, view: &Matview, found: Option<&Found>) -> Option<RunError> {
        let concurrently = found.is_some_and(|found| is_concurrent(view, found));
        let action = if concurrently { "REFRESH CONCURRENTLY" } else { "REFRESH" };
        let name = view.name.to_string();
        let key = RunKey { table: RunTable::Refresh, run: self.number, rule: &name };
        let operation = Operation::new(Subject::View(name.clone()), action.to_owned());
        let begun = match self.may_begin(view, found) {
            Ok(found) => alone(&mut self.context, view, found, key, operation.clone()).await,
            Err(error) => Err(error),
        };
        let (operation, error) = match begun {
            Ok(ended) => ended,
            Err(error) => (RecordedOperation::not_begun(&mut self.context, key, operation, &error).await, Some(error)),
        };
        if error.is_some() {
            self.old.insert(view.name.clone());
        }
        (self.context.tell)(Event::Finished(&operation));
        self.operations.push(operation);
        error
    }

    fn may_begin<'f>(&self, view: &Matview, found: Option<&'f Found>) -> Result<&'f Found, RunError> {
        let refused = |message: String, hint: &str| RunError::Failed(Refused::new(message, hint.to_owned()));
        let Some(found) = found.filter(|found| found.is_matview()) else {
            let message = "there is no such materialized view any more".to_owned();
            return Err(refused(message, "apply makes it again, or strikes it from the registry"));
        };
        if self.context.is_stopped() {
            return Err(RunError::Interrupted("it was interrupted before it began".to_owned()));
        }
        if let Some(old) = found.reads.iter().find(|read| self.old.contains(*read)) {
            let message = format!("not begun: {old}, which it reads, was not refreshed");
            return Err(RunError::Overlap(Refused::new(message, "")));
        }
        let concurrently = view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently);
        if concurrently && found.populated && !found.tells_rows_apart {
            let message = "a concurrent refresh needs a unique index on plain columns, over all rows".to_owned();
            return Err(refused(message, "plan and apply: they make the index again"));
        }
        Ok(found)
    }
}

/// Refreshes a view under its lock. An error: nothing was begun.
async fn alone(
    context: &mut RunContext<'_>,
    view: &Matview,
    found: &Found,
    key: RunKey<'_>,
    operation: Operation,
) -> Result<(Operation, Option<RunError>), RunError> {
    run_lock::alone(context, found.oid, overlap, async |context| {
        match statement::other(context.session, found.oid).await? {
            None => recorded(context, view, is_concurrent(view, found), key, operation).await,
            Some(other) => Err(overlap(&other)),
        }
    })
    .await
}

async fn recorded(
    context: &mut RunContext<'_>,
    view: &Matview,
    concurrently: bool,
    key: RunKey<'_>,
    operation: Operation,
) -> Result<(Operation, Option<RunError>), RunError> {
    let orphans = format!("{}; ", context.options.registry.close_orphans(key.table, key.rule));
    let recorded = RecordedOperation::begin_after(context, &orphans, key, operation).await?;
    (context.tell)(Event::RefreshStarted(&recorded.operation));
    let start = Instant::now();
    let result = statement::execute(context, view, concurrently).await;
    // A refresh took some time, however short.
    let took = start.elapsed().max(Duration::from_millis(1));
    let recorded = recorded.after(*result.as_ref().unwrap_or(&0), took);
    let error = result.err();
    Ok((recorded.close(context, error.as_ref()).await, error))
}

/// Somebody else refreshes it already. Waiting would do the work twice (docs/pitfalls.md, "Two refreshes of one view
/// wait for each other").
fn overlap(holder: &str) -> RunError {
    let message = format!("it is being refreshed or changed already, by {holder}");
    RunError::Overlap(Refused::new(message, "wait for its end"))
}
