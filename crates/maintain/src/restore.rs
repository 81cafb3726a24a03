//! Moves rows back from the archive of a rule, by the same batches. Where they are still past their time, the next run
//! of the rule archives them again.

use reconcile_apply::registry::run_record::RunTable;
use reconcile_core::kinds::retention::{
    CutOff, Rule,
    batch::{Fate, Selection},
    catalog::Table,
    preflight::{Refused, deletable, keeps},
    proof::Proof,
    rule_tables::RuleTables,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::sync::watch;

use crate::{
    Options,
    context::{RunContext, read_tables},
    event::{Event, Operation, Report},
    files,
    record::{RecordedOperation, RunKey, next_run},
    retain::plan_scans,
    run_error::RunError,
    run_lock,
    run_outcome::RunOutcome,
    walk::Walk,
};

const ACTION: &str = "RESTORE";

/// From one point in time, up to but without another; without an offset, of the rule's time zone.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The first.
    pub from: &'a str,
    /// After the last.
    pub to: &'a str,
}

/// Moves the rows between two points in time back.
///
/// # Errors
/// Nothing was done: the connection or the server failed.
pub async fn restore(
    session: &mut Session,
    rule: &Rule,
    bounds: Bounds<'_>,
    options: &Options,
    stop: watch::Receiver<bool>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    let mut context = RunContext { session, options, stop, tell, files: None, proof: None };
    context.prepare().await?;
    let run = next_run(&mut context, RunTable::Rules).await?;
    let table = rule.table.to_string();
    let key = RunKey { table: RunTable::Rules, run, rule: &table };
    let (operation, outcome) = match alone(&mut context, rule, bounds, key).await {
        Ok(restored) => restored,
        Err(error) => {
            let operation = Operation::on(&rule.table, ACTION.to_owned());
            (RecordedOperation::not_begun(&mut context, key, operation, &error).await, error.run_outcome())
        }
    };
    (context.tell)(Event::Finished(&operation));
    Ok(Report { operations: vec![operation], outcome })
}

/// Restores under the lock of the rule. An error: nothing was begun.
async fn alone(
    context: &mut RunContext<'_>,
    rule: &Rule,
    bounds: Bounds<'_>,
    key: RunKey<'_>,
) -> Result<(Operation, RunOutcome), RunError> {
    let tables = read_tables(context.session, rule).await?;
    if let Some(folder) = rule.folder() {
        return Err(files::way_back(&context.options.root, folder, &tables.table).into());
    }
    let Some(archive) = &tables.archive else {
        return Err(RunError::Failed(Refused::new(
            format!("the rule of {} has no archive in a table", rule.table),
            "only what was archived can be restored",
        )));
    };
    deletable(archive, false)?;
    keeps(archive, &tables.table)?;
    let from = bound(context, rule, &tables, bounds.from).await?;
    let to = bound(context, rule, &tables, bounds.to).await?;
    let selection = Selection::between(rule, &from, &to);
    run_lock::alone(context, tables.table.oid, RunError::overlap, async |context| {
        move_back(context, rule, &tables, archive, &selection, key).await
    })
    .await
}

async fn move_back(
    context: &mut RunContext<'_>,
    rule: &Rule,
    tables: &RuleTables,
    archive: &Table,
    selection: &Selection<'_>,
    key: RunKey<'_>,
) -> Result<(Operation, RunOutcome), RunError> {
    context.session.batch(&context.options.registry.close_orphans(key.table, key.rule)).await?;
    context.proof = Proof::of_restore(archive, &tables.table);
    let scans = plan_scans(context, rule, selection, archive).await?;
    let operation = Operation::on(&rule.table, ACTION.to_owned());
    let recorded = RecordedOperation::begin(context, key, operation).await?;
    let rows = scans.iter().map(|scan| scan.rows).sum();
    (context.tell)(Event::Started { operation: &recorded.operation, rows });
    let columns = RuleTables::moved(archive, &tables.table);
    let fate = Fate::Move { to: &tables.table.name, columns: &columns };
    let mut walk = Walk::new(context, &rule.batch, selection, tables.clock, fate, Vec::new(), recorded);
    let error = walk.run(&scans).await.err();
    let operation = walk.recorded.close(context, error.as_ref()).await;
    Ok((operation, error.map_or(RunOutcome::Done, |error| error.run_outcome())))
}

/// What a text means for the rule's column, in a form that means the same everywhere.
async fn bound(
    context: &mut RunContext<'_>,
    rule: &Rule,
    tables: &RuleTables,
    written: &str,
) -> Result<CutOff, RunError> {
    let sql = format!("BEGIN; {}; COMMIT", CutOff::new(tables.clock, written).read(rule));
    let row = match context.session.row(&sql).await {
        Ok(row) => row,
        Err(error) => {
            drop(context.session.batch("ROLLBACK").await);
            return Err(error.into());
        }
    };
    let row = row.ok_or_else(|| LiveError::Connection("a query gave no row".to_owned()))?;
    let text: String = row.try_get(0).map_err(LiveError::from)?;
    Ok(CutOff::new(tables.clock, text))
}
