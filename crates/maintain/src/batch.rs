//! A batch: one transaction that takes rows away, proves that they went, and records it.

use std::time::Duration;

use reconcile_core::{
    kinds::retention::{
        preflight::Refused,
        proof::{Flow, Proof, Tally},
    },
    postgres::sql::Sql,
};
use reconcile_live::LiveError;
use sea_orm::sqlx::{Row as _, postgres::PgRow};
use tokio::time::Instant;

use crate::{
    context::RunContext,
    files::Archive,
    record::RecordedOperation,
    run_error::{BatchError, RunError},
};

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

/// How a batch went.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is done.
    Done(Counts),
    /// It had more rows than it may, and is taken back.
    TooMany,
    /// It is taken back since somebody else was in the way, and may be tried again.
    InTheWay,
}

impl RunContext<'_> {
    /// Runs a batch of at most `most` rows and records it, both in one transaction, once.
    pub(crate) async fn batch(
        &mut self,
        sql: &Sql,
        most: u32,
        recorded: &mut RecordedOperation,
    ) -> Result<Attempt, RunError> {
        match self.attempt(sql, most, recorded).await {
            Ok(Some(counts)) => Ok(Attempt::Done(counts)),
            Ok(None) => Ok(Attempt::TooMany),
            Err(error) => self.taken_back(error).await.map(|_| Attempt::InTheWay),
        }
    }

    async fn attempt(
        &mut self,
        sql: &Sql,
        most: u32,
        recorded: &mut RecordedOperation,
    ) -> Result<Option<Counts>, BatchError> {
        let began = Instant::now();
        let (opening, before) = match self.proof {
            // Nobody else's changes are seen then: a row that is chosen and does not go was kept.
            Some(_) => ("", Some(self.begin_proven().await?)),
            None => ("BEGIN ISOLATION LEVEL READ COMMITTED; ", None),
        };
        let mut counts = self.execute(opening, sql, most).await?;
        if counts.gone > u64::from(most) {
            self.session.batch("ROLLBACK").await?;
            return Ok(None);
        }
        if let (Some(before), Some(proof)) = (before, &self.proof) {
            if counts.gone < counts.found {
                return Err(proof.stayed(counts.found, counts.gone, recorded.operation.subject.name()).into());
            }
            self.prove(before, counts.gone, 0).await?;
        }
        let counted = recorded.after(counts.gone, began.elapsed());
        self.commit(&[&counted]).await?;
        *recorded = counted;
        let on_disk = self.files.as_ref().map_or(Duration::ZERO, Archive::on_disk);
        counts.took = began.elapsed().saturating_sub(on_disk);
        Ok(Some(counts))
    }

    /// Begins a transaction that sees what was there at its beginning, and notes what the server counts.
    pub(crate) async fn begin_proven(&mut self) -> Result<Tally, BatchError> {
        if let Some(files) = &mut self.files {
            // A file begins in a transaction of its own.
            files.ready(self.session, &self.options.registry).await?;
        }
        self.session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        self.tally().await
    }

    /// What this connection has done so far, where that is looked at.
    async fn tally(&mut self) -> Result<Tally, BatchError> {
        let Some(proof) = &self.proof else { return Ok(Tally::default()) };
        let row = self.session.row(proof.query().as_str()).await?;
        let row = row.ok_or_else(|| LiveError::Connection("a query gave no row".to_owned()))?;
        let flow = |at: usize| -> Result<Flow, LiveError> {
            Ok(Flow { inserted: row.try_get(at)?, deleted: row.try_get(at + 1)? })
        };
        if !row.try_get::<bool, _>(6).map_err(LiveError::from)? {
            return Err(proof.uncounted().into());
        }
        Ok(Tally { source: flow(0)?, children: flow(2)?, target: flow(4)? })
    }

    /// Proves that a transaction did to the tables what its statements say, with what waits for its end.
    pub(crate) async fn prove(&mut self, before: Tally, gone: u64, children: u64) -> Result<(), BatchError> {
        if self.proof.is_none() {
            return Ok(());
        }
        self.session.batch("SET CONSTRAINTS ALL IMMEDIATE").await?;
        let done = self.tally().await?.since(before);
        match &self.proof {
            Some(proof) => Ok(proof.check(done, gone, children)?),
            None => Ok(()),
        }
    }

    /// Runs a statement that takes rows away, behind `opening`, and reads what it counts.
    pub(crate) async fn execute(&mut self, opening: &str, sql: &Sql, most: u32) -> Result<Counts, BatchError> {
        let batch = format!("{opening}{sql}");
        let (row, taken) = match &mut self.files {
            Some(files) => (Some(files.take(self.session, &self.options.registry, &batch, most).await?), 0),
            None => self.session.tally(&batch).await?,
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
        if gone != kept && gone <= u64::from(most) {
            let suspects = self.proof.iter().flat_map(Proof::suspects).map(ToString::to_string).collect::<Vec<_>>();
            return Err(BatchError::Refused(Refused::new(
                format!("{gone} rows were to move and {kept} arrived; the batch is taken back"),
                format!("a trigger of the table that they move to drops rows: {}", suspects.join(", ")),
            )));
        }
        Ok(Counts { found, last, gone, took: Duration::ZERO })
    }

    /// Writes what was done into the records, and commits it with them.
    pub(crate) async fn commit(&mut self, counted: &[&RecordedOperation]) -> Result<(), BatchError> {
        let archived = self.files.as_ref().and_then(|files| files.update(&self.options.registry));
        let counted = counted.iter().map(|counted| counted.update(self.options));
        let updates: Vec<_> = archived.into_iter().chain(counted).collect();
        self.session.batch(&format!("{}; COMMIT", updates.join("; "))).await?;
        if let Some(files) = &mut self.files {
            files.committed();
        }
        Ok(())
    }
}
