//! Moves rows back from the archive of a rule, by the same batches. Where they are still past their time, the next run
//! of the rule archives them again.

use reconcile_core::kinds::retention::{
    CutOff, Rule,
    batch::{Fate, Selection},
    catalog::Table,
    preflight::{Refused, deletable, keeps},
    scene::Scene,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::sync::watch;

use crate::{
    Options,
    context::{Ended, RunContext, number},
    event::{Event, Report, Step, Verdict},
    files,
    record::{Heading, Line},
    retain::approaches,
    run_lock,
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
    let mut context = RunContext { session, options, stop, tell, files: None };
    context.prepare().await?;
    let run = number(context.session, &options.registry.next_number("retention_run")).await?;
    let table = rule.table.to_string();
    let heading = Heading { run: i64::try_from(run).unwrap_or(i64::MAX), rule: &table };
    let (done, verdict) = match only(&mut context, rule, bounds, heading).await {
        Ok(restored) => restored,
        Err(ended) => {
            let refused = Step::of(&rule.table, ACTION.to_owned()).ended(&ended);
            drop(Line::begin(&mut context, heading, refused.clone()).await);
            (refused, ended.verdict())
        }
    };
    (context.tell)(Event::Over(&done));
    Ok(Report { steps: vec![done], verdict })
}

/// Runs as the only one on the table. An error: nothing was begun.
async fn only(
    context: &mut RunContext<'_>,
    rule: &Rule,
    bounds: Bounds<'_>,
    heading: Heading<'_>,
) -> Result<(Step, Verdict), Ended> {
    let scene = context.scene(rule).await?;
    if let Some(folder) = rule.folder() {
        return Err(files::way_back(&context.options.root, folder, &scene.table).into());
    }
    let Some(archive) = &scene.archive else {
        return Err(Ended::Failed(Refused {
            message: format!("the rule of {} has no archive in a table", rule.table),
            hint: "only what was archived can be restored".to_owned(),
        }));
    };
    deletable(archive, false)?;
    keeps(archive, &scene.table)?;
    let from = bound(context, rule, &scene, bounds.from).await?;
    let to = bound(context, rule, &scene, bounds.to).await?;
    if let Err(holder) = run_lock::acquire(context.session, scene.table.oid).await? {
        return Err(Ended::overlap(&holder));
    }
    let result = moved_back(context, rule, &scene, archive, &Selection::between(rule, &from, &to), heading).await;
    run_lock::release(context.session, scene.table.oid).await;
    result
}

async fn moved_back(
    context: &mut RunContext<'_>,
    rule: &Rule,
    scene: &Scene,
    archive: &Table,
    selection: &Selection<'_>,
    heading: Heading<'_>,
) -> Result<(Step, Verdict), Ended> {
    context.session.batch(&context.options.registry.retention_orphans(heading.rule)).await?;
    let approaches = approaches(context, rule, selection, archive).await?;
    let line = Line::begin(context, heading, Step::of(&rule.table, ACTION.to_owned())).await?;
    let rows = approaches.iter().map(|approach| approach.rows).sum();
    (context.tell)(Event::Begins { step: &line.step, rows });
    let columns = Scene::moved(archive, &scene.table);
    let fate = Fate::Move { to: &scene.table.name, columns: &columns };
    let mut walk = Walk::new(context, &rule.batch, selection, scene.clock, fate, Vec::new(), line);
    let ended = walk.all(&approaches).await.err();
    let line = walk.line;
    Ok((line.close(context, ended.as_ref()).await, ended.map_or(Verdict::Done, |ended| ended.verdict())))
}

/// What a text means for the rule's column, in a form that means the same everywhere.
async fn bound(context: &mut RunContext<'_>, rule: &Rule, scene: &Scene, written: &str) -> Result<CutOff, Ended> {
    let sql = format!("BEGIN; {}; COMMIT", CutOff::new(scene.clock, written).read(rule));
    let row = match context.session.row(&sql).await {
        Ok(row) => row,
        Err(error) => {
            drop(context.session.batch("ROLLBACK").await);
            return Err(error.into());
        }
    };
    let row = row.ok_or_else(|| LiveError::Connection("a query gave no row".to_owned()))?;
    let text: String = row.try_get(0).map_err(LiveError::from)?;
    Ok(CutOff::new(scene.clock, text))
}
