//! Runs a plan phase by phase. The lists of a phase run at the same time, each on its own connection.

use std::{
    cell::RefCell,
    collections::{HashSet, VecDeque},
};

use futures_util::future::join_all;
use reconcile_core::{
    address::Address,
    plan::{Phase, Placed, Plan, Record},
};
use reconcile_live::{LiveError, Session};
use tokio::sync::watch;

use crate::{
    event::{Event, Report},
    interrupted,
    options::ApplyOptions,
    registry::{RunId, RunOutcome},
    run_error::RunError,
    worker::{Shared, Worker},
};

/// Executes a plan. The session must hold the lock of [`crate::applier_lock`], and the registry must exist
/// ([`crate::registry::Registry::ensure`]). `stop` becomes true when the user wants to stop.
///
/// # Errors
/// The bookkeeping fails before or after the steps. An error of the steps themselves is in the report.
pub async fn apply(
    session: &mut Session,
    plan: &Plan,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    let registry = &options.registry;
    for event in interrupted::close(session, registry).await? {
        observer(event);
    }
    let run = registry.begin(session, plan, &options.run).await?;
    observer(Event::RunStarted(run));
    let (done, error) = run_phases(session, plan, options, run, stop, observer).await?;
    let outcome = error.as_ref().map_or(RunOutcome::Done, RunError::outcome);
    let ended = registry.end(session, run, outcome).await;
    // The error that ended the run early matters more.
    if error.is_none() {
        ended?;
    }
    let complete: HashSet<_> = done.iter().collect();
    let open = plan.changes.iter().filter(|change| !complete.contains(&change.address));
    let remaining = open.map(|change| change.address.clone()).collect();
    Ok(Report { run, done, remaining, error })
}

/// Runs one phase after the other, then updates the registry. Returns the changes that are complete.
async fn run_phases(
    session: &mut Session,
    plan: &Plan,
    options: &ApplyOptions,
    run: RunId,
    stop: watch::Receiver<bool>,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<(Vec<Address>, Option<RunError>), LiveError> {
    let of = plan.changes.iter().map(|change| change.steps.len()).sum();
    let shared = Shared::new(options, plan, run, of, stop, observer);
    let phases = plan.phases();
    let wide = phases.iter().map(|phase| phase.lists.len()).max().unwrap_or(1);
    let mut workers = Vec::new();
    let mut others = Vec::new();
    for _ in 1..wide.min(usize::try_from(options.parallel.get()).unwrap_or(usize::MAX)) {
        others.push(session.another().await?);
    }
    workers.push(Worker::main(session, &shared).await?);
    for other in &mut others {
        workers.push(Worker::beside(other, &shared).await?);
    }
    let mut done = Vec::new();
    for phase in phases {
        let (completed, error) = run_phase(&mut workers, phase).await;
        done.extend(completed);
        if error.is_some() {
            return Ok((done, error));
        }
    }
    let error = match workers.first_mut() {
        Some(main) => main.records(&plan.records).await.err(),
        None => None,
    };
    Ok((done, error))
}

/// Runs the lists of a phase until all are done or one has failed. After a failure, the others only finish their
/// present step.
async fn run_phase(workers: &mut [Worker<'_, '_>], phase: Phase<'_>) -> (Vec<Address>, Option<RunError>) {
    let lists = RefCell::new(VecDeque::from(phase.lists));
    let done = RefCell::new(Vec::new());
    let error = RefCell::new(None);
    join_all(workers.iter_mut().map(|worker| async {
        loop {
            let Some(list) = lists.borrow_mut().pop_front() else { return };
            for changes in together(&list) {
                if let Err(why) = run_changes(worker, changes).await {
                    worker.shared.halt();
                    error.borrow_mut().get_or_insert(why);
                    return;
                }
                done.borrow_mut().extend(changes.iter().map(|placed| placed.change.address.clone()));
            }
        }
    }))
    .await;
    (done.into_inner(), error.into_inner())
}

/// Changes that run together: each change with steps alone, and up to 500 changes without steps, such as adoptions.
fn together<'a, 'p>(changes: &'a [Placed<'p>]) -> impl Iterator<Item = &'a [Placed<'p>]> {
    let alike = |a: &Placed<'_>, b: &Placed<'_>| a.change.steps.is_empty() && b.change.steps.is_empty();
    changes.chunk_by(alike).flat_map(|changes| changes.chunks(500))
}

async fn run_changes(worker: &mut Worker<'_, '_>, changes: &[Placed<'_>]) -> Result<(), RunError> {
    match changes {
        [placed] => worker.change(*placed).await,
        // There is nothing to execute. Only the registry is updated.
        noted => {
            let records: Vec<Record> = noted.iter().flat_map(|placed| placed.change.records.iter().cloned()).collect();
            worker.records(&records).await
        }
    }
}
