//! Runs rules, one after the other. An error in one of them does not keep the next from running.

use reconcile_apply::registry::run_record::RunTable;
use reconcile_core::kinds::retention::{
    Rule,
    batch::{self, Fate, Selection},
    catalog::Table,
    preflight::Refused,
    proof::Proof,
    rule_tables::RuleTables,
};
use reconcile_live::{LiveError, Session};
use tokio::sync::watch;

use crate::{
    Options,
    after_refresh::refresh_views,
    context::{RunContext, read_cut_off, read_tables},
    event::{Event, Operation, Report},
    files,
    record::{RecordedOperation, RunKey, next_run},
    run_error::RunError,
    run_lock,
    run_outcome::RunOutcome,
    vacuum::vacuum,
    walk::{ChildTable, Scan, Walk, plan_scan},
};

/// A run at work.
struct Run<'a> {
    /// When it began, by the clock of the database.
    now: &'a str,
    operations: Vec<Operation>,
}

/// Runs rules on a connection that is known to be ours alone, children before their parents. `stop` ends it after the
/// batch that it is at.
///
/// # Errors
/// Nothing was done: the connection or the server failed before the first rule.
pub async fn retain(
    session: &mut Session,
    rules: &[Rule],
    options: &Options,
    stop: watch::Receiver<bool>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    let mut context = RunContext { session, options, stop, tell, files: None, proof: None };
    context.prepare().await?;
    let now = context.session.text("SELECT now()::text").await?;
    let number = next_run(&mut context, RunTable::Rules).await?;
    let mut run = Run { now: &now, operations: Vec::new() };
    let mut outcome = RunOutcome::Done;
    for rule in rules {
        let table = rule.table.to_string();
        let key = RunKey { table: RunTable::Rules, run: number, rule: &table };
        let result = if context.is_stopped() {
            Err(RunError::Interrupted("it was interrupted before it began".to_owned()))
        } else {
            run.rule(&mut context, rule, key).await
        };
        match result {
            Ok(ended) => outcome = outcome.min(ended),
            Err(error) => {
                let operation = Operation::on(&rule.table, rule.label());
                let operation = RecordedOperation::not_begun(&mut context, key, operation, &error).await;
                run.finish(&mut context, operation);
                outcome = outcome.min(error.run_outcome());
                if matches!(error, RunError::ConnectionLost(_)) {
                    break;
                }
            }
        }
    }
    Ok(Report { operations: run.operations, outcome })
}

impl Run<'_> {
    fn finish(&mut self, context: &mut RunContext<'_>, operation: Operation) {
        (context.tell)(Event::Finished(&operation));
        self.operations.push(operation);
    }

    /// Runs a rule under its lock. An error: nothing was begun.
    async fn rule(
        &mut self,
        context: &mut RunContext<'_>,
        rule: &Rule,
        key: RunKey<'_>,
    ) -> Result<RunOutcome, RunError> {
        let tables = read_tables(context.session, rule).await?;
        run_lock::alone(context, tables.table.oid, RunError::overlap, async |context| {
            let result = self.locked(context, rule, &tables, key).await;
            (context.files, context.proof) = (None, None);
            result
        })
        .await
    }

    async fn locked(
        &mut self,
        context: &mut RunContext<'_>,
        rule: &Rule,
        tables: &RuleTables,
        key: RunKey<'_>,
    ) -> Result<RunOutcome, RunError> {
        let (registry, root) = (&context.options.registry, &context.options.root);
        context.session.batch(&registry.close_orphans(key.table, key.rule)).await?;
        context.proof = Proof::of_run(tables);
        context.files = files::open(context.session, registry, root, rule, &tables.table, key.run).await?;
        let cut_off = read_cut_off(context.session, rule, tables, self.now).await?;
        let selection = Selection::expired(rule, &cut_off);
        let counted = within_limits(context, rule, &selection).await?;
        // The refreshes come after the cut-off was read, so the views have seen every row that goes.
        refresh_views(context, rule, &mut self.operations).await?;
        let scans = plan_scans(context, rule, &selection, &tables.table).await?;
        let rows = counted.unwrap_or_else(|| scans.iter().map(|scan| scan.rows).sum());
        let (records, error) = walk(context, rule, tables, key, &selection, &scans, rows).await?;
        let touched = self.close(context, records, error.as_ref()).await;
        self.vacuum(context, rule, tables, key, &touched, error.as_ref()).await;
        let vacuumed = if rule.vacuum && context.is_stopped() { RunOutcome::Incomplete } else { RunOutcome::Done };
        Ok(error.map_or(vacuumed, |error| error.run_outcome()))
    }

    /// Closes the records, children first; gives which of them had rows.
    async fn close(
        &mut self,
        context: &mut RunContext<'_>,
        records: Vec<RecordedOperation>,
        error: Option<&RunError>,
    ) -> Vec<bool> {
        let mut touched = Vec::new();
        for recorded in records {
            let operation = recorded.close(context, error).await;
            touched.push(operation.rows_affected > 0);
            self.finish(context, operation);
        }
        touched
    }

    /// Vacuums the tables that rows went from, unless the user wants the run to end.
    async fn vacuum(
        &mut self,
        context: &mut RunContext<'_>,
        rule: &Rule,
        tables: &RuleTables,
        key: RunKey<'_>,
        touched: &[bool],
        error: Option<&RunError>,
    ) {
        let hopeless = matches!(error, Some(RunError::ConnectionLost(_) | RunError::Failed(_)));
        if !rule.vacuum || hopeless {
            return;
        }
        let own_tables = tables.children.iter().map(|(child, _)| child).chain([&tables.table]);
        let touched_tables = own_tables.zip(touched).filter(|(_, touched)| **touched).map(|(table, _)| table);
        let archive = tables.archive.as_ref().filter(|_| touched.last() == Some(&true));
        for table in touched_tables.chain(archive) {
            if context.is_stopped() {
                return;
            }
            match vacuum(context, key, table).await {
                Ok(operation) => self.finish(context, operation),
                Err(_) => return,
            }
        }
    }
}

/// Moves the rows that are past their time, about so many, those of children first. Gives the records, which are still
/// open, and why it ended early. An error: nothing was begun.
async fn walk(
    context: &mut RunContext<'_>,
    rule: &Rule,
    tables: &RuleTables,
    key: RunKey<'_>,
    selection: &Selection<'_>,
    scans: &[Scan],
    rows: u64,
) -> Result<(Vec<RecordedOperation>, Option<RunError>), RunError> {
    let mut children = Vec::new();
    for (child, link) in &tables.children {
        let operation = Operation::on(&child.name, rule.child_label());
        let recorded = RecordedOperation::begin(context, key, operation).await?;
        children.push(ChildTable::new(child, link, recorded));
    }
    // A crash may take the latest batches back, each with its record: the next run takes them again. What closes the
    // records waits for the disk, and with it for all batches before it.
    let operation = Operation::on(&rule.table, rule.label());
    let recorded = RecordedOperation::begin_after(context, "SET synchronous_commit = off; ", key, operation).await?;
    (context.tell)(Event::Started { operation: &recorded.operation, rows });
    let columns = tables.archive.as_ref().map(|archive| RuleTables::moved(&tables.table, archive)).unwrap_or_default();
    let fate = match &tables.archive {
        Some(archive) => Fate::Move { to: &archive.name, columns: &columns },
        None if context.files.is_some() => Fate::HandOver { columns: &tables.table.columns },
        None => Fate::Delete,
    };
    let mut walk = Walk::new(context, &rule.batch, selection, tables.clock, fate, children, recorded);
    let mut error = match walk.run(scans).await {
        Ok(()) => walk.still_unwatched(rule).await.err(),
        Err(error) => Some(error),
    };
    if let Some(RunError::Interrupted(message)) = &mut error {
        let left = rows.saturating_sub(walk.recorded.operation.rows_affected);
        walk.recorded.leave(left);
        message.push_str(&walk.backlog(key, left).await);
    }
    let records = walk.children.into_iter().map(|child| child.recorded).chain([walk.recorded]).collect();
    // A connection that is gone needs it no more.
    drop(context.session.batch("RESET synchronous_commit").await);
    let sealed = context.seal().await;
    Ok((records, error.or(sealed.err())))
}

/// How each part of a table is walked.
pub(crate) async fn plan_scans(
    context: &mut RunContext<'_>,
    rule: &Rule,
    selection: &Selection<'_>,
    table: &Table,
) -> Result<Vec<Scan>, LiveError> {
    let mut scans = Vec::new();
    for part in table.leaves() {
        scans.push(plan_scan(context, selection, &rule.column, part).await?);
    }
    Ok(scans)
}

/// Counts the rows that would go where the rule has limits, and compares the count with them.
async fn within_limits(
    context: &mut RunContext<'_>,
    rule: &Rule,
    selection: &Selection<'_>,
) -> Result<Option<u64>, RunError> {
    let limits = &rule.limits;
    if limits.max_rows.is_none() && limits.max_fraction.is_none() {
        return Ok(None);
    }
    let rows = context.session.number(selection.count(&rule.table).as_str()).await?;
    let total = match limits.max_fraction {
        Some(_) => Some(context.session.number(batch::total(&rule.table).as_str()).await?),
        None => None,
    };
    match over_limits(rule, rows, total) {
        Some(message) => Err(RunError::OverLimits(Refused::new(
            message,
            "nothing was deleted; if that is right, raise the rule's `limits`, and apply it",
        ))),
        None => Ok(Some(rows)),
    }
}

/// Why the limits forbid so many rows.
#[expect(clippy::cast_precision_loss, reason = "a fraction of a table does not depend on single rows among 2^52")]
pub(crate) fn over_limits(rule: &Rule, rows: u64, total: Option<u64>) -> Option<String> {
    let table = &rule.table;
    if let Some(most) = rule.limits.max_rows.filter(|most| rows > *most) {
        let more = rows - most;
        return Some(format!("{rows} rows of {table} would go, {more} more than `max_rows` of {most} allows"));
    }
    let (most, total) = (rule.limits.max_fraction?, total?);
    let part = rows as f64 / total.max(1) as f64;
    (part > most).then(|| {
        format!("{rows} of the {total} rows of {table} would go, {part:.3} of it; `max_fraction` allows {most}")
    })
}
