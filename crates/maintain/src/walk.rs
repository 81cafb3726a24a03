//! Walks the tables of a rule, batch by batch, children first. A table is walked along its heap, in one pass that needs
//! no index; or in the order of its column, where the planner itself would find these rows by an index on it: it weighs
//! how many rows there are and how they lie. Rows that have children are walked along the heap.

use std::time::Duration;

use reconcile_apply::retry::Retries;
use reconcile_core::{
    kinds::retention::{
        Batch, Clock, CutOff, Rule,
        batch::{self, Fate, INDEX_ADVANTAGE, Link, Selection},
        catalog::{Part, Table},
        proof::Proof,
        range::{Range, Tid},
    },
    postgres::name::{Ident, QualifiedName},
};
use reconcile_live::LiveError;
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    batch::{Attempt, Counts},
    batch_size::BatchSize,
    context::{RunContext, read_tables},
    event::Event,
    lag::Lag,
    record::{RecordedOperation, RunKey},
    run_error::RunError,
};

/// How often a table is walked, where rows stayed because somebody changed them at that moment.
const PASSES: u32 = 3;

/// How one table or partition is walked.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    leaf: QualifiedName,
    ordered: bool,
    /// Rows that the planner expects.
    pub(crate) rows: u64,
}

/// A child of the rule's table.
pub(crate) struct ChildTable {
    pub(crate) link: Link,
    pub(crate) leaves: Vec<QualifiedName>,
    pub(crate) recorded: RecordedOperation,
}

/// A walk through one table.
pub(crate) struct Walk<'a, 's> {
    pub(crate) context: &'a mut RunContext<'s>,
    pub(crate) settings: &'a Batch,
    pub(crate) selection: &'a Selection<'a>,
    clock: Clock,
    pub(crate) fate: Fate<'a>,
    pub(crate) links: Vec<Link>,
    /// The children, each with its record.
    pub(crate) children: Vec<ChildTable>,
    /// The record of the table itself.
    pub(crate) recorded: RecordedOperation,
    pub(crate) batch_size: BatchSize,
    lag: Lag,
    began: Instant,
    first: bool,
    /// Rows that this pass went round, since somebody else had locked them.
    pub(crate) locked: u64,
}

/// Asks the planner how it would read a part of a table: by an index, or all of it. In the order of the index, as
/// batches read; a bitmap would let it read in the order of the heap, and so take an index where the heap is cheaper.
pub(crate) async fn plan_scan(
    context: &mut RunContext<'_>,
    selection: &Selection<'_>,
    column: &Ident,
    part: &Part,
) -> Result<Scan, LiveError> {
    let leaf = part.name.clone();
    let explain = selection.explain(&leaf);
    let batch = format!(
        "BEGIN; SET LOCAL enable_bitmapscan = off; {explain}; SET LOCAL enable_indexscan = off; \
         SET LOCAL enable_indexonlyscan = off; {explain}; COMMIT"
    );
    let results = match context.session.batch(&batch).await {
        Ok(results) => results,
        Err(error) => {
            // A broken connection rolls back by itself.
            drop(context.session.batch("ROLLBACK").await);
            return Err(error);
        }
    };
    let plans = results.iter().flatten().map(|row| row.try_get(0)).collect::<Result<Vec<serde_json::Value>, _>>()?;
    let [free, whole] = plans.as_slice() else {
        return Err(LiveError::Connection("EXPLAIN gave no plan".to_owned()));
    };
    let root = &free[0]["Plan"];
    let cost = |plan: &serde_json::Value| plan[0]["Plan"]["Total Cost"].as_f64().unwrap_or(0.0);
    let leads = root["Index Name"].as_str().and_then(|index| part.indexes.get(index)) == Some(column);
    let ordered = leads && cost(free) * f64::from(INDEX_ADVANTAGE) < cost(whole) * 100.0;
    Ok(Scan { leaf, ordered, rows: root["Plan Rows"].as_u64().unwrap_or(0) })
}

impl ChildTable {
    pub(crate) fn new(child: &Table, link: &Link, begun: RecordedOperation) -> Self {
        let leaves = child.leaves().map(|part| part.name.clone()).collect();
        Self { link: link.clone(), leaves, recorded: begun }
    }
}

impl<'a, 's> Walk<'a, 's> {
    pub(crate) fn new(
        context: &'a mut RunContext<'s>,
        settings: &'a Batch,
        selection: &'a Selection<'a>,
        clock: Clock,
        fate: Fate<'a>,
        children: Vec<ChildTable>,
        recorded: RecordedOperation,
    ) -> Self {
        let links = children.iter().map(|child| child.link.clone()).collect();
        let (batch_size, lag) = (BatchSize::new(settings), Lag::new(settings.max_lag_ms));
        let began = Instant::now();
        Self {
            context,
            settings,
            selection,
            clock,
            fate,
            links,
            children,
            recorded,
            batch_size,
            lag,
            began,
            first: true,
            locked: 0,
        }
    }

    /// Walks all parts of the table. Where it ends early, the records say how far it got.
    pub(crate) async fn run(&mut self, scans: &[Scan]) -> Result<(), RunError> {
        self.lag.check(self.context).await?;
        let mut locked = 0;
        for scan in scans {
            let mut ordered = scan.ordered && self.links.is_empty();
            let mut retries = Retries::new(self.context.options.retries);
            for pass in 1.. {
                self.locked = 0;
                let left =
                    if ordered { self.walk_in_order(&scan.leaf).await? } else { self.walk_heap(&scan.leaf).await? };
                let more = if self.locked > 0 { self.wait_for_locked(&mut retries).await } else { pass < PASSES };
                if left == 0 || !more {
                    break;
                }
                // Rows that stay keep the walk along an index from going on, but not that along the heap.
                ordered = false;
            }
            locked += self.locked;
        }
        if locked == 0 {
            return Ok(());
        }
        let holder = self.context.holder(scans.iter().map(|scan| &scan.leaf)).await;
        Err(RunError::Blocked(format!(
            "{locked} rows were locked by somebody else, and are left for the next run{holder}"
        )))
    }

    /// A run that proves nothing relies on what it has read at its beginning.
    pub(crate) async fn still_unwatched(&mut self, rule: &Rule) -> Result<(), RunError> {
        if self.context.proof.is_some() {
            return Ok(());
        }
        let tables = read_tables(self.context.session, rule).await?;
        match Proof::of_run(&tables) {
            None => Ok(()),
            Some(proof) => Err(proof.came_late().into()),
        }
    }

    /// Waits before rows are looked at again that somebody else has locked. Gives whether there is another time.
    async fn wait_for_locked(&mut self, retries: &mut Retries) -> bool {
        let Some(retry) = retries.next_retry().filter(|_| !self.context.is_stopped()) else { return false };
        (self.context.tell)(Event::Waiting(format!("{} rows are locked by somebody else; {retry}", self.locked)));
        sleep(retry.pause).await;
        true
    }

    /// Says how many rows are left, and whether they become more from run to run.
    pub(crate) async fn backlog(&mut self, key: RunKey<'_>, left: u64) -> String {
        let query = self.context.options.registry.retention_backlog(key.rule, key.run);
        let before = match self.context.session.row(&query).await {
            Ok(Some(row)) => row.try_get::<Option<i64>, _>(0).ok().flatten().map(i64::unsigned_abs),
            Ok(None) | Err(_) => None,
        };
        let trend = match before {
            Some(before) if left > before => {
                format!(", {} more than after the run before: runs do not keep up", left - before)
            }
            Some(before) => format!(", {} fewer than after the run before", before - left),
            None => String::new(),
        };
        format!("; about {left} rows are left{trend}")
    }

    /// Walks from the first block to the last that is there now. Gives how many rows were found and stayed.
    async fn walk_heap(&mut self, leaf: &QualifiedName) -> Result<u64, RunError> {
        let blocks = self.context.session.number(batch::blocks(leaf).as_str()).await?;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let (mut from, mut left) = (Tid::start_of(0), 0);
        while from.block < blocks {
            self.pause().await?;
            let to = Tid::start_of(from.block.saturating_add(self.batch_size.blocks).min(blocks));
            let counts = self.next_of_heap(leaf, from, to).await?;
            // It may have become smaller.
            let rows = self.batch_size.rows;
            left += counts.found.saturating_sub(counts.gone);
            let next = if counts.found < u64::from(rows) { to } else { last_place(&counts)?.behind() };
            let used = next.block.saturating_sub(from.block).max(1);
            self.batch_size.learn(counts.found, used, counts.took);
            from = next;
        }
        Ok(left)
    }

    /// Runs a batch on the next rows of a stretch of the heap.
    async fn next_of_heap(&mut self, leaf: &QualifiedName, from: Tid, to: Tid) -> Result<Counts, RunError> {
        if !self.links.is_empty() {
            return self.with_children(leaf, from, to).await;
        }
        let range = Range::Heap { from, to };
        // One row less than it may be, so that nothing of the stretch can be left.
        if self.batch_size.is_even()
            && let Some(counts) = self.range_batch(leaf, &range, self.batch_size.rows - 1).await?
        {
            return Ok(counts);
        }
        self.table_batch(leaf, &range).await
    }

    /// Runs a batch on all rows of a range. `None`: they are more than `most`, or somebody is in the way of one of them.
    async fn range_batch(
        &mut self,
        leaf: &QualifiedName,
        range: &Range,
        most: u32,
    ) -> Result<Option<Counts>, RunError> {
        if self.context.proof.is_some() {
            // Such a batch does not tell which rows were to go.
            return Ok(None);
        }
        let sql = self.selection.stretch(leaf, range, self.fate);
        match self.context.batch(&sql, most, &mut self.recorded).await? {
            Attempt::Done(counts) => {
                (self.context.tell)(Event::RowsDone(self.recorded.operation.rows_affected));
                Ok(Some(counts))
            }
            Attempt::TooMany | Attempt::InTheWay => Ok(None),
        }
    }

    /// Walks in the order of the column. Gives how many rows were found and stayed.
    async fn walk_in_order(&mut self, leaf: &QualifiedName) -> Result<u64, RunError> {
        let (mut from, mut left): (Option<CutOff>, u64) = (None, 0);
        loop {
            self.pause().await?;
            let (counts, next) = self.next_in_order(leaf, from).await?;
            left += counts.found.saturating_sub(counts.gone);
            self.batch_size.learn(counts.found, 1, counts.took);
            if next.is_none() {
                return Ok(left);
            }
            from = next;
        }
    }

    /// The next rows in the order of the column, and where those behind them begin. The first batch of all looks at its
    /// rows one by one, as those do where more rows have the same time than a batch may take.
    async fn next_in_order(
        &mut self,
        leaf: &QualifiedName,
        from: Option<CutOff>,
    ) -> Result<(Counts, Option<CutOff>), RunError> {
        let rows = self.batch_size.rows;
        if self.batch_size.is_even() {
            let rest = Range::Order { from: from.clone(), to: None };
            let to = self.context.session.row(self.selection.behind(leaf, &rest, rows).as_str()).await?;
            let to = to.map(|row| row.try_get(0)).transpose().map_err(LiveError::from)?;
            let to = to.map(|to: String| CutOff::new(self.clock, to));
            if to.is_none() || to != from {
                let range = Range::Order { from: from.clone(), to: to.clone() };
                if let Some(counts) = self.range_batch(leaf, &range, rows).await? {
                    return Ok((counts, to));
                }
            }
        }
        let counts = self.table_batch(leaf, &Range::Order { from, to: None }).await?;
        let over = counts.found < u64::from(rows) || counts.gone == 0;
        let next = counts.last.clone().filter(|_| !over).map(|last| CutOff::new(self.clock, last));
        Ok((counts, next))
    }

    /// Runs a batch on the table itself, row by row. Where somebody is in the way, it goes round the rows that are locked.
    async fn table_batch(&mut self, leaf: &QualifiedName, range: &Range) -> Result<Counts, RunError> {
        let rows = self.batch_size.rows;
        let sql = self.selection.batch(leaf, range, rows, &self.links, self.fate);
        match self.context.batch(&sql, rows, &mut self.recorded).await? {
            Attempt::Done(counts) => {
                (self.context.tell)(Event::RowsDone(self.recorded.operation.rows_affected));
                Ok(counts)
            }
            Attempt::TooMany => Err(too_many_rows()),
            Attempt::InTheWay => self.family(leaf, range, rows).await,
        }
    }

    /// The next rows of a stretch, with what points at them.
    async fn with_children(&mut self, leaf: &QualifiedName, from: Tid, to: Tid) -> Result<Counts, RunError> {
        self.family(leaf, &Range::Heap { from, to }, self.batch_size.rows).await
    }

    /// Between two batches: whether to go on, and when.
    pub(crate) async fn pause(&mut self) -> Result<(), RunError> {
        let (began, most) = (self.began, self.settings.max_runtime_ms.map(Duration::from_millis));
        let over = |context: &RunContext<'_>| {
            if context.is_stopped() {
                return Err(RunError::Interrupted("it was interrupted".to_owned()));
            }
            match most {
                Some(most) if began.elapsed() >= most => {
                    Err(RunError::Interrupted(format!("`max_runtime` of {} ms is over", most.as_millis())))
                }
                Some(_) | None => Ok(()),
            }
        };
        over(self.context)?;
        if !std::mem::take(&mut self.first) && !self.settings.sleep().is_zero() {
            let mut stop = self.context.stop.clone();
            // The sleep ends at once where the user wants to stop.
            drop(timeout(self.settings.sleep(), stop.wait_for(|stop| *stop)).await);
            over(self.context)?;
        }
        self.lag.wait(self.context, over).await
    }
}

pub(crate) fn too_many_rows() -> RunError {
    LiveError::Connection("a batch took more rows than it asked for".to_owned()).into()
}

fn last_place(counts: &Counts) -> Result<Tid, LiveError> {
    let place = counts.last.as_deref().and_then(|last| last.parse().ok());
    place.ok_or_else(|| LiveError::Connection("a batch gave no place".to_owned()))
}
