//! The connection that a run works on: its settings, and how a batch runs on it, with retries.

use std::time::Duration;

use reconcile_apply::{retry::Retries, sqlstate::ErrorKind};
use reconcile_core::{
    kinds::retention::{
        CutOff, Rule,
        preflight::Refused,
        proof::{Counters, Proof},
        read::facts_of,
        scene::Scene,
    },
    postgres::{
        batch::{Ask as _, Batch},
        sql::Sql,
    },
};
use reconcile_live::{LiveError, Session, settings};
use sea_orm::sqlx::{Row as _, postgres::PgRow};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    Options,
    event::Event,
    files::Archive,
    record::RecordedOperation,
    run_error::{BatchError, RunError},
};

/// Each statement sees what was committed before it.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// How often a batch is tried again whose rows stay.
const STAYS: u32 = 3;

/// What a batch did.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    /// Rows that it found.
    pub(crate) found: u64,
    /// Where the last of them lies.
    pub(crate) last: Option<String>,
    /// Rows that went.
    pub(crate) gone: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The connection of a run.
pub(crate) struct RunContext<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) options: &'a Options,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) tell: &'a mut dyn FnMut(Event<'_>),
    /// The files that batches hand rows over to.
    pub(crate) files: Option<Archive>,
}

impl RunContext<'_> {
    /// Sets the connection up for batches.
    pub(crate) async fn prepare(&mut self) -> Result<(), LiveError> {
        settings::take(self.session, &self.options.search_path).await?;
        let lock = self.options.lock_timeout.as_millis().max(1);
        self.session.batch(&format!("SET lock_timeout = {lock}")).await.map(drop)
    }

    /// Seals the files that rows went to. Where the connection is gone, the next run sees what its last word was.
    pub(crate) async fn seal(&mut self) -> Result<(), RunError> {
        match self.files.take() {
            Some(files) => Ok(files.close(self.session, &self.options.registry, &self.options.root).await?),
            None => Ok(()),
        }
    }

    /// Runs a batch of at most `most` rows and records it, both in one transaction. Where somebody's trigger has a hand
    /// in it, `proof` shows that it did what it should. `None`: it had more rows, and is taken back.
    pub(crate) async fn batch(
        &mut self,
        sql: &Sql,
        most: u32,
        proof: Option<&Proof>,
        recorded: &mut RecordedOperation,
    ) -> Result<Option<Counts>, RunError> {
        let done = self.retried(async |context| context.attempt(sql, most, proof, recorded).await).await?;
        let Some((counts, counted)) = done else { return Ok(None) };
        *recorded = counted;
        Ok(Some(counts))
    }

    /// Runs a transaction, and again where it did not get a lock, or where rows that were chosen stayed.
    pub(crate) async fn retried<T>(
        &mut self,
        mut attempt: impl AsyncFnMut(&mut Self) -> Result<T, BatchError>,
    ) -> Result<T, RunError> {
        let mut retries = Retries::new(self.options.retries);
        let mut stays = 0;
        loop {
            let error = match attempt(self).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            // A broken connection rolls back by itself.
            drop(self.session.batch("ROLLBACK").await);
            match error {
                BatchError::Live(error) if ErrorKind::of(&error) == ErrorKind::Lock => {
                    self.pause_before_retry(&mut retries, &error).await?;
                }
                BatchError::Stayed(_) if stays < STAYS => stays += 1,
                error => return Err(error.into()),
            }
        }
    }

    /// Waits until a statement that did not get its lock may be tried again. An error: it may not.
    pub(crate) async fn pause_before_retry(
        &mut self,
        retries: &mut Retries,
        error: &LiveError,
    ) -> Result<(), RunError> {
        let Some(retry) = retries.next_retry().filter(|_| !self.is_stopped()) else {
            return Err(RunError::Blocked(error.to_string()));
        };
        (self.tell)(Event::Waiting(format!("{error}; {retry}")));
        sleep(retry.pause).await;
        Ok(())
    }

    /// Whether the user wants to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Gives what it did and how the record stands then; it is committed.
    async fn attempt(
        &mut self,
        sql: &Sql,
        most: u32,
        proof: Option<&Proof>,
        recorded: &RecordedOperation,
    ) -> Result<Option<(Counts, RecordedOperation)>, BatchError> {
        let began = Instant::now();
        if let Some(files) = &mut self.files {
            files.ready(self.session, &self.options.registry).await?;
        }
        let (before, opening) = match proof {
            Some(_) => {
                self.session.batch(BEGIN).await?;
                (self.counters(proof).await?, String::new())
            }
            None => (Counters::default(), format!("{BEGIN}; ")),
        };
        let Some(mut counts) = self.execute(&format!("{opening}{sql}"), most).await? else {
            self.session.batch("ROLLBACK").await?;
            return Ok(None);
        };
        self.prove(proof, before, counts.found, counts.gone).await?;
        let counted = recorded.after(counts.gone, began.elapsed());
        let archived = self.files.as_ref().and_then(|files| files.update(&self.options.registry));
        let updates: Vec<_> = archived.into_iter().chain([counted.update(self.options)]).collect();
        self.session.batch(&format!("{}; COMMIT", updates.join("; "))).await?;
        if let Some(files) = &mut self.files {
            files.committed();
        }
        let on_disk = self.files.as_ref().map_or(Duration::ZERO, Archive::on_disk);
        counts.took = began.elapsed().saturating_sub(on_disk);
        Ok(Some((counts, counted)))
    }

    /// Executes the statement of a batch, in a transaction that is open or that it begins. `None`: more than `most` rows
    /// went.
    pub(crate) async fn execute(&mut self, sql: &str, most: u32) -> Result<Option<Counts>, BatchError> {
        let began = Instant::now();
        let (row, taken) = match &mut self.files {
            Some(files) => (Some(files.take(self.session, sql, most).await?), 0),
            None => self.session.tally(sql).await?,
        };
        let count = |row: &PgRow, index: usize| -> Result<u64, LiveError> {
            let count: i64 = row.try_get(index)?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        let (found, last, gone, kept) = match &row {
            Some(row) => (count(row, 0)?, row.try_get(1).map_err(LiveError::from)?, count(row, 2)?, count(row, 3)?),
            // A plain DELETE.
            None => (taken, None, taken, taken),
        };
        if gone > u64::from(most) {
            return Ok(None);
        }
        if gone != kept {
            return Err(BatchError::Refused(Refused::new(
                format!("{gone} rows were to move and {kept} arrived; the batch is taken back"),
                "a trigger or rule of the table that they move to drops rows",
            )));
        }
        Ok(Some(Counts { found, last, gone, took: began.elapsed() }))
    }

    /// What the server has counted so far, where something is to be proved.
    pub(crate) async fn counters(&mut self, proof: Option<&Proof>) -> Result<Counters, LiveError> {
        let Some(proof) = proof else { return Ok(Counters::default()) };
        let mut batch = Batch::default();
        let asked = batch.ask(proof.counters());
        let rows = self.session.send(&batch).await?.take(asked)?;
        Ok(Counters::read(&rows.one()?)?)
    }

    /// Shows that what happened since `before` is what a batch says.
    pub(crate) async fn prove(
        &mut self,
        proof: Option<&Proof>,
        before: Counters,
        found: u64,
        gone: u64,
    ) -> Result<(), BatchError> {
        let Some(proof) = proof else { return Ok(()) };
        let after = self.counters(Some(proof)).await?;
        match proof.check(before, after, found, gone) {
            Err(refused) if gone < found => Err(BatchError::Stayed(refused)),
            checked => checked.map_err(BatchError::Refused),
        }
    }
}

/// Reads what a rule touches.
pub(crate) async fn read_scene(session: &mut Session, rule: &Rule) -> Result<Scene, RunError> {
    Ok(rule.scene(&facts_of(session, &rule.tables()).await?)?)
}

/// The point in time that rows must lie before, for a run that began at `now`.
pub(crate) async fn read_cut_off(
    session: &mut Session,
    rule: &Rule,
    scene: &Scene,
    now: &str,
) -> Result<CutOff, LiveError> {
    let text = text(session, CutOff::query(rule, scene.clock, now).as_str()).await?;
    Ok(CutOff::new(scene.clock, text))
}

/// The one value of a query.
pub(crate) async fn text(session: &mut Session, sql: &str) -> Result<String, LiveError> {
    match session.row(sql).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(LiveError::Connection("a query gave no row".to_owned())),
    }
}

/// The one number of a query.
pub(crate) async fn number(session: &mut Session, sql: &str) -> Result<u64, LiveError> {
    match session.row(sql).await? {
        Some(row) => Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0)),
        None => Err(LiveError::Connection("a query gave no row".to_owned())),
    }
}
