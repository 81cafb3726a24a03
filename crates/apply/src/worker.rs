//! A worker is one connection that runs changes in order, step by step, and writes the history before and after each.
//! How it waits for others is in `wait`. What it removes after a failure is in `cleanup`.

use std::cell::{Cell, RefCell};

use reconcile_core::plan::{Effect, Execution, Placed, Plan, PlannedChange, Record, Step};
use reconcile_live::{LiveError, Session, settings};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    applier_lock,
    event::Event,
    monitor::{Blocker, Monitor, backend_pid},
    options::ApplyOptions,
    registry::RunId,
    retry::Retries,
    run_error::RunError,
    sqlstate::{self, DUPLICATE_TABLE, ErrorKind},
};

/// What the workers of a run share.
pub(crate) struct Shared<'o> {
    options: &'o ApplyOptions,
    plan: &'o Plan,
    run: RunId,
    of: usize,
    stop: watch::Receiver<bool>,
    /// Whether a worker has failed.
    halted: Cell<bool>,
    /// The backends of all workers.
    pub(crate) ours: RefCell<Vec<i32>>,
    observer: RefCell<&'o mut dyn FnMut(Event<'_>)>,
}

impl<'o> Shared<'o> {
    pub(crate) fn new(
        options: &'o ApplyOptions,
        plan: &'o Plan,
        run: RunId,
        of: usize,
        stop: watch::Receiver<bool>,
        observer: &'o mut dyn FnMut(Event<'_>),
    ) -> Self {
        let (halted, ours) = (Cell::new(false), RefCell::default());
        Self { options, plan, run, of, stop, halted, ours, observer: RefCell::new(observer) }
    }

    /// Keeps the workers from beginning further steps.
    pub(crate) fn halt(&self) {
        self.halted.set(true);
    }

    /// Whether the user wants to stop. Running statements are then cancelled.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether no further step may begin.
    pub(crate) fn is_over(&self) -> bool {
        self.is_stopped() || self.halted.get()
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        (self.observer.borrow_mut())(event);
    }
}

/// A connection that executes steps, and the monitor beside it.
pub(crate) struct Worker<'a, 'o> {
    pub(crate) session: &'a mut Session,
    pub(crate) monitor: Monitor,
    pub(crate) shared: &'a Shared<'o>,
    /// Whether the latest statement of the plan was sent to the server.
    sent: bool,
}

/// Steps that succeed or fail together.
#[derive(Clone, Copy)]
struct Group<'a> {
    change: &'a PlannedChange,
    steps: &'a [Step],
    first: usize,
    /// The steps of the same change that follow.
    rest: &'a [Step],
}

impl Group<'_> {
    /// Only statements that cannot run inside a transaction block run outside of one.
    fn in_transaction(&self) -> bool {
        self.steps.iter().all(|step| step.effect().is_none())
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Step)> {
        self.steps.iter().enumerate().map(|(offset, step)| (self.first + offset, step))
    }
}

impl<'a, 'o> Worker<'a, 'o> {
    /// A worker on the connection that holds the applier's lock.
    pub(crate) async fn main(session: &'a mut Session, shared: &'a Shared<'o>) -> Result<Self, LiveError> {
        settings::take(session, &shared.plan.session.search_path).await?;
        let pid = backend_pid(session).await?;
        shared.ours.borrow_mut().push(pid);
        let mut monitor = Monitor::new(pid, session.target().clone());
        // The monitor connects now, so that it can look as soon as a statement waits.
        monitor.present(&[pid]).await?;
        Ok(Self { session, monitor, shared, sent: false })
    }

    /// A worker on a further connection. The next applier waits for its end as well.
    pub(crate) async fn beside(session: &'a mut Session, shared: &'a Shared<'o>) -> Result<Self, LiveError> {
        applier_lock::take_part(session).await?;
        Self::main(session, shared).await
    }

    /// Runs a change to its end. If that fails, removes what the change has made and nobody can use.
    pub(crate) async fn change(&mut self, placed: Placed<'_>) -> Result<(), RunError> {
        let mut done = 0;
        let result = self.steps(placed, &mut done).await;
        if let Err(why) = &result {
            self.abandon(placed, done, why).await;
        }
        result
    }

    async fn steps(&mut self, placed: Placed<'_>, done: &mut usize) -> Result<(), RunError> {
        let Placed { change, mut first } = placed;
        let mut rest = change.steps.as_slice();
        while let Some(step) = rest.first() {
            // The steps of a transaction are next to each other.
            let together = match step.transaction() {
                Some(number) => rest.iter().take_while(|next| next.transaction() == Some(number)).count(),
                None => 1,
            };
            let (steps, tail) = rest.split_at(together);
            if self.shared.is_over() {
                return Err(RunError::Interrupted);
            }
            self.group(Group { change, steps, first, rest: tail }).await?;
            (rest, first) = (tail, first + together);
            *done += together;
        }
        self.records(&change.records).await
    }

    /// Records finished changes in the registry.
    pub(crate) async fn records(&mut self, records: &[Record]) -> Result<(), RunError> {
        if records.is_empty() {
            return Ok(());
        }
        let (registry, path) = (&self.shared.options.registry, &self.shared.plan.session.search_path);
        let statements = records.iter().map(|record| registry.record(self.shared.run, record, path));
        let statements: Vec<_> = statements.collect();
        let batch = format!("BEGIN; SET LOCAL search_path = ''; {}; COMMIT", statements.join("; "));
        if let Err(error) = self.session.batch(&batch).await {
            // A broken connection rolls back by itself.
            drop(self.session.batch("ROLLBACK").await);
            return Err(RunError::failed(None, "registry".to_owned(), error));
        }
        Ok(())
    }

    /// Runs the steps of a group. Retries if it does not get a lock in time.
    async fn group(&mut self, group: Group<'_>) -> Result<(), RunError> {
        let mut retries = Retries::new(self.shared.options.retries);
        loop {
            let mut blocker = None;
            let Err((position, step, error)) = self.attempt(group, &mut blocker).await else { return Ok(()) };
            let statement = step.sql.to_string();
            let kind = ErrorKind::of(&error);
            if kind == ErrorKind::ConnectionLost {
                return Err(RunError::ConnectionLost { statement, error });
            }
            // A statement that was not sent has left nothing. A name that was already taken belongs to an index of
            // somebody else.
            if self.sent && !sqlstate::is(&error, DUPLICATE_TABLE) {
                self.clean_up(position, step).await?;
            }
            if self.shared.is_stopped() {
                return Err(RunError::Interrupted);
            }
            // A statement that must be brief may run into either timeout while it waits for its lock.
            let brief = step.timeouts.lock_ms.is_some() || kind == ErrorKind::Lock;
            match kind {
                ErrorKind::Lock | ErrorKind::Timeout => {
                    let Some(retry) = retries.next_retry().filter(|_| brief) else {
                        return Err(RunError::Blocked { statement, blocker });
                    };
                    self.shared.tell(Event::Retry(position, retry));
                    sleep(retry.pause).await;
                }
                ErrorKind::ConnectionLost | ErrorKind::Other => {
                    return Err(RunError::failed(Some(group.change), statement, error));
                }
            }
        }
    }

    async fn attempt<'s>(
        &mut self,
        group: Group<'s>,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), (usize, &'s Step, LiveError)> {
        let [first, ..] = group.steps else { return Ok(()) };
        self.sent = false;
        let waited = match first.unfinished {
            Some(_) => self.wait_for_builds(group, blocker).await,
            None => Ok(()),
        };
        if let Err(error) = waited {
            // The time limit was that of the first build.
            return Err((group.first, group.rest.iter().find(|step| step.effect().is_some()).unwrap_or(first), error));
        }
        self.note_started(group).await.map_err(|error| (group.first, first, error))?;
        for (offset, step) in group.steps.iter().enumerate() {
            let position = group.first + offset;
            self.shared.tell(Event::StepStarted { change: group.change, step, position, of: self.shared.of });
            let began = Instant::now();
            let last = offset + 1 == group.steps.len();
            let result = match &step.execution {
                Execution::Together(_) => self.in_transaction(position, step, last, blocker).await,
                Execution::Alone(effect) => self.alone(position, step, effect, blocker).await,
            };
            if let Err(error) = result {
                self.note_failed(group, position, &error).await;
                return Err((position, step, error));
            }
            self.shared.tell(Event::StepFinished(position, began.elapsed()));
        }
        Ok(())
    }

    /// Waits, before an index is made that stays INVALID until builds complete it, until those builds can begin.
    async fn wait_for_builds(&mut self, group: Group<'_>, blocker: &mut Option<Blocker>) -> Result<(), LiveError> {
        let builds: Vec<_> = group.rest.iter().filter(|step| step.effect().is_some()).collect();
        let effects: Vec<_> = builds.iter().filter_map(|step| step.effect()).collect();
        match builds.first() {
            Some(build) => self.wait_for_older(group.first, build, &effects, blocker).await,
            None => Ok(()),
        }
    }

    /// Records in the history that the steps of the group begin, then opens its transaction.
    async fn note_started(&mut self, group: Group<'_>) -> Result<(), LiveError> {
        let registry = &self.shared.options.registry;
        let started = group
            .numbered()
            .map(|(position, step)| registry.step_started(self.shared.run, number(position), group.change, step));
        let started: Vec<_> = started.collect();
        self.session.batch(&started.join("; ")).await?;
        if group.in_transaction() {
            self.session.batch("BEGIN").await?;
        }
        Ok(())
    }

    /// Records in the history that a group failed. In a transaction, none of its steps has had an effect.
    async fn note_failed(&mut self, group: Group<'_>, position: usize, error: &LiveError) {
        if group.in_transaction() {
            // A broken connection rolls back by itself.
            drop(self.session.batch("ROLLBACK").await);
        }
        let (registry, run) = (&self.shared.options.registry, self.shared.run);
        let notes: Vec<_> = group
            .numbered()
            .map(|(number_of, _)| {
                let message = if number_of == position { error.to_string() } else { "rolled back".to_owned() };
                registry.step_ended(run, number(number_of), Some(&message))
            })
            .collect();
        // If this cannot be written, the next run looks up whether the steps had an effect.
        drop(self.session.batch(&notes.join("; ")).await);
    }

    /// Executes a statement within the transaction of its group. Its entry in the history commits with it.
    async fn in_transaction(
        &mut self,
        position: usize,
        step: &Step,
        last: bool,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        let ended = self.shared.options.registry.step_ended(self.shared.run, number(position), None);
        self.session.batch(&limits("SET LOCAL ", step)).await?;
        self.watched(position, step, blocker).await?;
        self.session.batch(&format!("{}; {ended}", unlimited("SET LOCAL "))).await?;
        if last { self.session.batch("COMMIT").await.map(drop) } else { Ok(()) }
    }

    /// Executes a statement that cannot run inside a transaction block. Its end is recorded right after it.
    async fn alone(
        &mut self,
        position: usize,
        step: &Step,
        effect: &Effect,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        self.wait_for_older(position, step, &[effect], blocker).await?;
        self.session.batch(&limits("SET ", step)).await?;
        self.sent = true;
        self.watched(position, step, blocker).await?;
        let ended = self.shared.options.registry.step_ended(self.shared.run, number(position), None);
        self.session.batch(&format!("{}; {ended}", unlimited("SET "))).await.map(drop)
    }
}

/// A step's number as the history stores it.
fn number(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}

fn limits(set: &str, step: &Step) -> String {
    let (lock, statement) = (step.timeouts.lock_ms.unwrap_or(0), step.timeouts.statement_ms.unwrap_or(0));
    format!("{set}lock_timeout = {lock}; {set}statement_timeout = {statement}")
}

pub(crate) fn unlimited(set: &str) -> String {
    format!("{set}lock_timeout = 0; {set}statement_timeout = 0")
}
