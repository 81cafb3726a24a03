//! Closes interrupted runs, whose end was never written. The next applier is the only one, so it looks up whether their
//! last steps had an effect, and closes them.

use reconcile_core::plan::{Effect, Plan, Step};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    EntityTrait, QueryFilter as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, PostgresQueryBuilder},
    sqlx::{Row as _, postgres::PgRow},
};

use crate::{
    event::Event,
    registry::{Registry, RunId, RunOutcome, StepOutcome, run, step},
};

/// Closes all interrupted runs. The session holds the applier's lock, so none of them is still running.
///
/// # Errors
/// The connection or the server fails.
pub(crate) async fn close(session: &mut Session, registry: &Registry) -> Result<Vec<Event<'static>>, LiveError> {
    let mut open = step::Entity::find()
        .select_only()
        .column(step::Column::Run)
        .filter(Expr::col(step::Column::Outcome).eq(StepOutcome::Started.name()))
        .into_query();
    open.from_clear().from(registry.table("step"));
    // If only one of several connections broke off, the run has an end, but one of its steps has none.
    let unclear =
        Expr::col(run::Column::Outcome).eq(RunOutcome::Running.name()).or(Expr::col(run::Column::Id).in_subquery(open));
    let mut query =
        run::Entity::find().select_only().columns([run::Column::Id, run::Column::Plan]).filter(unclear).into_query();
    let rows = session.batch(&registry.select(&mut query, "run")).await?;
    let mut events = Vec::new();
    for row in rows.iter().flatten() {
        let (id, plan): (i64, serde_json::Value) = (row.try_get(0)?, row.try_get(1)?);
        // The plan of an older version may not be readable any more. Then nothing can be looked up.
        let plan: Option<Plan> = serde_json::from_value(plan).ok();
        events.extend(close_one(session, registry, RunId(id), plan.as_ref()).await?);
    }
    Ok(events)
}

async fn close_one(
    session: &mut Session,
    registry: &Registry,
    run: RunId,
    plan: Option<&Plan>,
) -> Result<Vec<Event<'static>>, LiveError> {
    let mut query = step::Entity::find()
        .select_only()
        .columns([step::Column::Position, step::Column::Address, step::Column::Statement])
        .filter(Expr::col(step::Column::Run).eq(run.0))
        .filter(Expr::col(step::Column::Outcome).eq(StepOutcome::Started.name()))
        .into_query();
    let rows = session.batch(&registry.select(&mut query, "step")).await?;
    let mut events = Vec::new();
    let mut notes = Vec::new();
    for row in rows.iter().flatten() {
        let position: i32 = row.try_get(0)?;
        let done = had_effect(session, plan.and_then(|plan| step_at(plan, position))).await?;
        notes.push(registry.step_looked_up(run, position, done));
        events.push(looked_up(run, row, done)?);
    }
    let mut close = run::Entity::update_many()
        .col_expr(run::Column::Outcome, Expr::value(RunOutcome::Interrupted.name()))
        .filter(Expr::col(run::Column::Id).eq(run.0))
        .filter(Expr::col(run::Column::Outcome).eq(RunOutcome::Running.name()))
        .into_query();
    notes.push(close.table(registry.table("run")).to_string(PostgresQueryBuilder));
    session.batch(&format!("BEGIN; {}; COMMIT", notes.join("; "))).await?;
    Ok(events)
}

fn step_at(plan: &Plan, position: i32) -> Option<&Step> {
    let offset = usize::try_from(position).ok()?.checked_sub(1)?;
    plan.changes.iter().flat_map(|change| &change.steps).nth(offset)
}

/// A statement outside a transaction block is looked up. Any other would have committed together with the record of its
/// end.
async fn had_effect(session: &mut Session, step: Option<&Step>) -> Result<bool, LiveError> {
    let Some(effect) = step.and_then(Step::effect) else { return Ok(false) };
    let row = session.row(Effect::came_about(effect).as_str()).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()? == Some(true))
}

fn looked_up(run: RunId, row: &PgRow, done: bool) -> Result<Event<'static>, LiveError> {
    Ok(Event::LookedUp { run, address: row.try_get(1)?, statement: row.try_get(2)?, done })
}

impl Registry {
    fn step_looked_up(&self, run: RunId, position: i32, done: bool) -> String {
        let (outcome, error) = if done {
            (StepOutcome::Done, "its end was not seen; its effect was found")
        } else {
            (StepOutcome::Interrupted, "its end was not seen; its effect was not found")
        };
        let mut update = step::Entity::update_many()
            .col_expr(step::Column::Outcome, Expr::value(outcome.name()))
            .col_expr(step::Column::Error, Expr::value(error))
            .filter(Expr::col(step::Column::Run).eq(run.0))
            .filter(Expr::col(step::Column::Position).eq(position))
            .into_query();
        update.table(self.table("step")).to_string(PostgresQueryBuilder)
    }
}
