//! Runs the steps of a plan on one connection, in order.

use std::time::Duration;

use reconcile_core::{
    address::Address,
    name::QualifiedName,
    plan::{Plan, PlannedChange, Step},
    sql::Sql,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    onlooker::{Blocker, INTERVAL, Onlooker, Progress},
    refusal::{Refusal, TIMED_OUT, backoff, is_name_taken, kind},
    registry::{Outcome, Registry, RunId},
};

/// How an apply may behave.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Where registry and history live.
    pub registry: Registry,
    /// How often a statement that did not get its lock is tried again.
    pub retries: u32,
    /// The commit of the declared files, in a git checkout.
    pub commit: Option<String>,
}

/// What happens, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run has a number.
    Started(RunId),
    /// A statement starts.
    Step {
        /// The object.
        change: &'a PlannedChange,
        /// The statement.
        step: &'a Step,
        /// From 1.
        position: usize,
        /// Of how many.
        of: usize,
    },
    /// A build goes on.
    Progress(Progress),
    /// The statement waits for somebody.
    Waiting(Blocker),
    /// It did not get its lock in time and is tried again.
    Retry {
        /// From 1.
        attempt: u32,
        /// Until then.
        pause: Duration,
    },
    /// The statement is done.
    StepDone(Duration),
    /// What a failed build left was removed.
    CleanedUp(&'a QualifiedName),
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Its number.
    pub run: RunId,
    /// The changes that are complete.
    pub done: Vec<Address>,
    /// Those that are not.
    pub remaining: Vec<Address>,
    /// Why it ended early.
    pub stopped: Option<Stopped>,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The user asked it to.
    #[error("stopped on request")]
    Interrupted,
    /// Somebody else's transaction did not end within the time that the plan allows.
    #[error("{statement}: gave up waiting{}", .blocker.as_ref().map(|b| format!(" for {b}")).unwrap_or_default())]
    Blocked {
        /// What was to run.
        statement: String,
        /// Who was in the way, where that was seen.
        blocker: Option<Blocker>,
    },
    /// The server refused a statement.
    #[error("{statement}: {error}")]
    Failed {
        /// What was to run.
        statement: String,
        /// What the server said.
        error: LiveError,
    },
}

impl Stopped {
    /// As the history has it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Interrupted | Self::Blocked { .. } => Outcome::Incomplete,
            Self::Failed { .. } => Outcome::Failed,
        }
    }
}

/// Executes a plan. The session must hold the lock of [`crate::lock`]. `stop` becomes true when the user wants to.
///
/// # Errors
/// The bookkeeping fails before or after the steps. What stops the steps themselves is in the report.
pub async fn apply(
    session: &mut Session,
    plan: &Plan,
    options: &ApplyOptions,
    stop: watch::Receiver<bool>,
    observer: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    options.registry.ensure(session).await?;
    let onlooker = Onlooker::beside(session).await?;
    let run = options.registry.begin(session, plan, options.commit.clone()).await?;
    observer(Event::Started(run));
    let of = plan.changes.iter().map(|change| change.steps.len()).sum();
    session.batch(Sql::new("SET search_path = ").search_path(&plan.session.search_path).as_str()).await?;
    let mut executor = Executor { session, onlooker, options, run, stop, observer, position: 0, of };
    let mut done = Vec::new();
    let mut stopped = None;
    for changes in together(&plan.changes) {
        match executor.changes(changes).await {
            Ok(()) => done.extend(changes.iter().map(|change| change.address.clone())),
            Err(why) => {
                stopped = Some(why);
                break;
            }
        }
    }
    if stopped.is_none() {
        stopped = executor.records(&plan.records).await.err();
    }
    let outcome = stopped.as_ref().map_or(Outcome::Done, Stopped::outcome);
    let ended = options.registry.end(session, run, outcome).await;
    if stopped.is_none() {
        ended?;
    }
    let remaining = plan.changes[done.len()..].iter().map(|change| change.address.clone()).collect();
    Ok(Report { run, done, remaining, stopped })
}

/// Each change by itself; those without steps, such as adoptions, up to 500 together.
fn together(changes: &[PlannedChange]) -> impl Iterator<Item = &[PlannedChange]> {
    let alike = |a: &PlannedChange, b: &PlannedChange| a.steps.is_empty() && b.steps.is_empty();
    changes.chunk_by(alike).flat_map(|changes| changes.chunks(500))
}

struct Executor<'a, 'o> {
    session: &'a mut Session,
    onlooker: Onlooker,
    options: &'a ApplyOptions,
    run: RunId,
    stop: watch::Receiver<bool>,
    observer: &'o mut dyn FnMut(Event<'_>),
    position: usize,
    of: usize,
}

impl Executor<'_, '_> {
    async fn changes(&mut self, changes: &[PlannedChange]) -> Result<(), Stopped> {
        match changes {
            [change] => self.change(change).await,
            // Nothing to execute: only the registry takes note.
            noted => {
                let records: Vec<_> = noted.iter().flat_map(|change| change.records.iter().cloned()).collect();
                self.records(&records).await
            }
        }
    }

    async fn change(&mut self, change: &PlannedChange) -> Result<(), Stopped> {
        let mut rest = change.steps.as_slice();
        while let Some(first) = rest.first() {
            // Steps of one transaction stand beside each other.
            let together = match first.transaction {
                Some(_) => rest.iter().take_while(|step| step.transaction == first.transaction).count(),
                None => 1,
            };
            let (group, tail) = rest.split_at(together);
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            self.group(change, group).await?;
            rest = tail;
        }
        self.records(&change.records).await
    }

    async fn records(&mut self, records: &[reconcile_core::plan::Record]) -> Result<(), Stopped> {
        if records.is_empty() {
            return Ok(());
        }
        let statements: Vec<_> = records.iter().map(|record| self.options.registry.record(self.run, record)).collect();
        let batch = format!("BEGIN; {}; COMMIT", statements.join("; "));
        self.session
            .batch(&batch)
            .await
            .map(drop)
            .map_err(|error| Stopped::Failed { statement: "registry".into(), error })
    }

    /// Runs steps that belong together, again where a lock was not to be had in time.
    async fn group(&mut self, change: &PlannedChange, group: &[Step]) -> Result<(), Stopped> {
        let first = self.position;
        let mut attempt = 0;
        loop {
            self.position = first;
            let mut blocker = None;
            let Err((step, error)) = self.attempt(change, group, &mut blocker).await else { return Ok(()) };
            let statement = step.sql.to_string();
            let brief = step.timeouts.lock_ms.is_some() || kind(&error) == Refusal::Lock;
            if !is_name_taken(&error) {
                self.clean_up(step).await?;
            }
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            match kind(&error) {
                // What must be brief runs out of time for want of a lock as well.
                Refusal::Lock | Refusal::Time if brief && attempt < self.options.retries => {
                    attempt += 1;
                    let pause = backoff(attempt);
                    (self.observer)(Event::Retry { attempt, pause });
                    sleep(pause).await;
                }
                Refusal::Lock | Refusal::Time => return Err(Stopped::Blocked { statement, blocker }),
                Refusal::Other => return Err(Stopped::Failed { statement, error }),
            }
        }
    }

    async fn attempt<'s>(
        &mut self,
        change: &PlannedChange,
        group: &'s [Step],
        blocker: &mut Option<Blocker>,
    ) -> Result<(), (&'s Step, LiveError)> {
        let Some(last) = group.last() else { return Ok(()) };
        let in_transaction = last.transaction.is_some();
        if in_transaction {
            self.session.batch("BEGIN").await.map_err(|error| (last, error))?;
        }
        for step in group {
            self.position += 1;
            (self.observer)(Event::Step { change, step, position: self.position, of: self.of });
            let began = Instant::now();
            let result = self.step(change, step, in_transaction, blocker).await;
            if let Err(error) = result {
                if in_transaction {
                    // A broken connection rolls back by itself.
                    drop(self.session.batch("ROLLBACK").await);
                }
                let message = error.to_string();
                let note = self.options.registry.step_ended(self.run, self.number(), Some(&message));
                drop(self.session.batch(&note).await);
                return Err((step, error));
            }
            (self.observer)(Event::StepDone(began.elapsed()));
        }
        if in_transaction {
            self.session.batch("COMMIT").await.map_err(|error| (last, error))?;
        }
        Ok(())
    }

    fn number(&self) -> i32 {
        i32::try_from(self.position).unwrap_or(i32::MAX)
    }

    /// One statement, with its history before and after. In a transaction all of it commits together.
    async fn step(
        &mut self,
        change: &PlannedChange,
        step: &Step,
        in_transaction: bool,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        let local = if in_transaction { "LOCAL " } else { "" };
        let started = self.options.registry.step_started(self.run, self.number(), change, step);
        let timeouts = format!(
            "SET {local}lock_timeout = {}; SET {local}statement_timeout = {}",
            step.timeouts.lock_ms.unwrap_or(0),
            step.timeouts.statement_ms.unwrap_or(0)
        );
        self.session.batch(&format!("{started}; {timeouts}")).await?;
        if step.leaves.is_some() {
            self.wait_for_older(change, step, blocker).await?;
        }
        self.watched(step.sql.as_str(), blocker).await?;
        let ended = self.options.registry.step_ended(self.run, self.number(), None);
        let unlimited = format!("SET {local}lock_timeout = 0; SET {local}statement_timeout = 0; {ended}");
        self.session.batch(&unlimited).await.map(drop)
    }

    /// Before a build: waits until every transaction that it would wait for has ended. Once begun, a build that
    /// runs out of time can only be cleaned up behind the same transactions.
    async fn wait_for_older(
        &mut self,
        change: &PlannedChange,
        step: &Step,
        blocker: &mut Option<Blocker>,
    ) -> Result<(), LiveError> {
        let budget = step.timeouts.statement_ms.map(Duration::from_millis);
        let began = Instant::now();
        let since = self.onlooker.now().await?;
        while let Some(older) = self.onlooker.older(change.address.table(), &since).await? {
            if blocker.as_ref().is_none_or(|known| known.pid != older.pid) {
                (self.observer)(Event::Waiting(older.clone()));
            }
            *blocker = Some(older);
            if *self.stop.borrow() || budget.is_some_and(|budget| began.elapsed() >= budget) {
                return Err(LiveError::Server(Box::new(reconcile_live::error::ServerError {
                    code: TIMED_OUT.to_owned(),
                    message: "an older transaction did not end in time".to_owned(),
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

    /// Runs a statement while the onlooker reports, and cancels it when the user wants to stop.
    async fn watched(&mut self, sql: &str, blocker: &mut Option<Blocker>) -> Result<(), LiveError> {
        let running = self.session.batch(sql);
        tokio::pin!(running);
        loop {
            tokio::select! {
                result = &mut running => return result.map(drop),
                () = sleep(INTERVAL) => {}
            }
            if *self.stop.borrow() {
                self.onlooker.cancel().await?;
                return running.await.map(drop);
            }
            let sight = self.onlooker.look().await?;
            if let Some(progress) = sight.progress {
                (self.observer)(Event::Progress(progress));
            }
            if let Some(seen) = sight.blocker {
                if blocker.as_ref().is_none_or(|known| known.pid != seen.pid) {
                    (self.observer)(Event::Waiting(seen.clone()));
                }
                *blocker = Some(seen);
            }
        }
    }

    /// Drops the INVALID index that a failed build left; one that is valid is somebody else's.
    async fn clean_up(&mut self, step: &Step) -> Result<(), Stopped> {
        let Some(name) = &step.leaves else { return Ok(()) };
        let left = Sql::new("SELECT 1 FROM pg_index i WHERE i.indexrelid = to_regclass(")
            .literal(&name.quoted())
            .raw(") AND NOT i.indisvalid");
        let drop_it = Sql::new("DROP INDEX CONCURRENTLY ").name(name);
        let failed = |error| Stopped::Failed { statement: drop_it.to_string(), error };
        self.session.batch("SET lock_timeout = '10s'; SET statement_timeout = '60s'").await.map_err(failed)?;
        let rows = self.session.batch(left.as_str()).await.map_err(failed)?;
        if rows.first().is_some_and(|rows| rows.first().is_some_and(|row| row.try_get::<i32, _>(0).is_ok())) {
            match self.session.batch(drop_it.as_str()).await {
                Ok(_) => (self.observer)(Event::CleanedUp(name)),
                // The same transactions that held up the build hold this up; the next plan repairs it.
                Err(error) if kind(&error) != Refusal::Other => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.session.batch("SET lock_timeout = 0; SET statement_timeout = 0").await.map(drop).map_err(failed)
    }
}
