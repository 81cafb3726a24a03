//! Rows and all that points at them, in one transaction: rows are locked first, then what points at them goes, then they
//! do. Either all of it is done, or nothing. Rows that somebody else has locked are passed by.

use reconcile_apply::{retry::Retries, sqlstate};
use reconcile_core::{
    kinds::retention::{preflight::Refused, proof::Proof, range::Range},
    postgres::name::QualifiedName,
};
use reconcile_live::LiveError;
use sea_orm::sqlx::Row as _;
use tokio::time::Instant;

use crate::{
    batch::Counts,
    event::Event,
    record::RecordedOperation,
    run_error::{BatchError, RunError},
    walk::Walk,
};

/// How rows and what points at them went.
enum Outcome {
    /// They are gone.
    Gone(Counts),
    /// More points at them than a transaction may take; it is taken back.
    TooMany,
    /// More points at a single row than a transaction may take. A part of that is gone.
    Part,
}

/// Rows that a transaction has locked.
struct Locked {
    found: u64,
    last: Option<String>,
    rows: u64,
    places: Range,
}

impl Walk<'_, '_> {
    /// The next rows of a range, at most `rows`, with what points at them. Found counts rows that are passed by as well.
    pub(crate) async fn family(
        &mut self,
        leaf: &QualifiedName,
        range: &Range,
        mut rows: u32,
    ) -> Result<Counts, RunError> {
        let mut retries = Retries::new(self.context.options.retries);
        loop {
            match self.family_attempt(leaf, range, rows).await {
                Ok(Outcome::Gone(counts)) => {
                    (self.context.tell)(Event::RowsDone(self.recorded.operation.rows_affected));
                    return Ok(counts);
                }
                Ok(Outcome::TooMany) => {
                    self.context.session.batch("ROLLBACK").await?;
                    rows = (rows / 4).max(1);
                    self.batch_size.shrink(rows);
                }
                Ok(Outcome::Part) => self.pause().await?,
                Err(BatchError::Live(error)) if sqlstate::is(&error, sqlstate::FOREIGN_KEY_VIOLATION) => {
                    // Something has come to point at one of the rows meanwhile.
                    self.context.session.batch("ROLLBACK").await?;
                    if retries.next_retry().is_none() {
                        return Err(error.into());
                    }
                }
                Err(error) => {
                    let error = self.context.taken_back(error).await?;
                    let children = self.children.iter().flat_map(|child| &child.leaves);
                    let tables: Vec<_> = children.cloned().chain([leaf.clone()]).collect();
                    self.context.pause_before_retry(&mut retries, &error, &tables).await?;
                }
            }
        }
    }

    /// One transaction. An error or [`Outcome::TooMany`] leaves it open, to be taken back.
    async fn family_attempt(&mut self, leaf: &QualifiedName, range: &Range, rows: u32) -> Result<Outcome, BatchError> {
        let began = Instant::now();
        let before = self.context.begin_proven().await?;
        let locked = self.lock(leaf, range, rows).await?;
        if locked.rows == 0 {
            self.context.session.batch("ROLLBACK").await?;
            self.locked += locked.found;
            return Ok(Outcome::Gone(locked.gone(0, began)));
        }
        let mut children = Vec::new();
        for child in 0..self.children.len() {
            let (counted, all) = self.children_of(leaf, &locked, child).await?;
            if !all && locked.rows > 1 {
                return Ok(Outcome::TooMany);
            }
            let complete = all || self.context.proof.is_some();
            children.push(counted);
            if !complete {
                self.commit(children, None).await?;
                return Ok(Outcome::Part);
            }
        }
        let sql = self.selection.batch(leaf, &locked.places, rows, &self.links, self.fate);
        let own = self.context.execute("", &sql, rows).await?;
        if own.gone < locked.rows {
            return Err(stayed(self.context.proof.as_ref(), locked.rows, own.gone, leaf).into());
        }
        let gone: u64 = children.iter().map(|(rows, _)| rows).sum();
        self.context.prove(before, own.gone, gone).await?;
        self.commit(children, Some(self.recorded.after(own.gone, began.elapsed()))).await?;
        self.locked += locked.found - locked.rows;
        Ok(Outcome::Gone(locked.gone(own.gone, began)))
    }

    async fn lock(&mut self, leaf: &QualifiedName, range: &Range, rows: u32) -> Result<Locked, LiveError> {
        let row = self.context.session.row(self.selection.lock(leaf, range, rows).as_str()).await?;
        let row = row.ok_or_else(|| LiveError::Connection("a query gave no row".to_owned()))?;
        let count = |at: usize| -> Result<u64, LiveError> { Ok(row.try_get::<i64, _>(at)?.unsigned_abs()) };
        Ok(Locked { found: count(0)?, last: row.try_get(1)?, rows: count(2)?, places: Range::Places(row.try_get(3)?) })
    }

    /// Deletes what points at locked rows from one child, at most as many rows as a transaction may take, or all of them
    /// where they may not be divided. Gives how many went and the record with them, and whether these were all.
    async fn children_of(
        &mut self,
        leaf: &QualifiedName,
        locked: &Locked,
        child: usize,
    ) -> Result<((u64, RecordedOperation), bool), BatchError> {
        let (began, most, several) = (Instant::now(), self.settings.rows, locked.rows > 1);
        let mut rows = 0;
        let child = &self.children[child];
        for child_leaf in &child.leaves {
            loop {
                let sql = self.selection.children(leaf, &locked.places, &child.link, child_leaf, most);
                let counts = self.context.execute("", &sql, most).await?;
                if counts.gone < counts.found {
                    return Err(stayed(self.context.proof.as_ref(), counts.found, counts.gone, child_leaf).into());
                }
                rows += counts.gone;
                if rows > u64::from(most) && several {
                    return Ok(((rows, child.recorded.after(rows, began.elapsed())), false));
                }
                if counts.found < u64::from(most) {
                    break;
                }
                if several || self.context.proof.is_none() {
                    return Ok(((rows, child.recorded.after(rows, began.elapsed())), false));
                }
            }
        }
        Ok(((rows, child.recorded.after(rows, began.elapsed())), true))
    }

    /// Commits, and takes the records over.
    async fn commit(
        &mut self,
        children: Vec<(u64, RecordedOperation)>,
        own: Option<RecordedOperation>,
    ) -> Result<(), BatchError> {
        let counted: Vec<_> = children.iter().map(|(_, recorded)| recorded).chain(&own).collect();
        self.context.commit(&counted).await?;
        for (child, (_, recorded)) in self.children.iter_mut().zip(children) {
            child.recorded = recorded;
        }
        self.recorded = own.unwrap_or_else(|| self.recorded.clone());
        Ok(())
    }
}

impl Locked {
    fn gone(self, gone: u64, began: Instant) -> Counts {
        Counts { found: self.found, last: self.last, gone, took: began.elapsed() }
    }
}

/// Why a transaction is taken back of which rows stayed that it had locked.
fn stayed(proof: Option<&Proof>, chosen: u64, gone: u64, table: &QualifiedName) -> Refused {
    match proof {
        Some(proof) => proof.stayed(chosen, gone, &table.to_string()),
        None => Refused::new(
            format!("{} of {chosen} chosen rows of {table} did not go; the batch is taken back", chosen - gone),
            "something has come to keep them since the run began: plan shows what",
        ),
    }
}
