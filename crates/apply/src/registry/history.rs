//! Reads the history, for people and for the rollback of a run.

use std::collections::BTreeSet;

use reconcile_core::{address::Address, rollback::Begun};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, PostgresQueryBuilder, SelectStatement},
    sqlx::{Row as _, postgres::PgRow},
};
use serde::Serialize;

use super::{Registry, RunId, RunOutcome, StepOutcome, resource, run, step};
use crate::applier_lock;

/// A run, for people. Times are in RFC 3339 format and UTC, by the clock of the database.
#[derive(Clone, Debug, Serialize)]
pub struct PastRun {
    /// Its number.
    pub run: i64,
    /// When it began.
    pub started_at: String,
    /// When its end was written. `None` if it is running or was interrupted.
    pub finished_at: Option<String>,
    /// Milliseconds between the two.
    pub ms: Option<i64>,
    /// `running`, `done`, `failed`, `incomplete`, `interrupted`.
    pub outcome: String,
    /// The command.
    pub command: String,
    /// The run that it rolls back.
    pub reverts: Option<i64>,
    /// The database role.
    pub role: String,
    /// The user name in the operating system.
    pub operator: Option<String>,
    /// The commit of the declared files, if they are in a git checkout.
    pub commit: Option<String>,
    /// The version of the program.
    pub version: String,
    /// How many changes of each action were planned.
    pub summary: serde_json::Value,
}

/// A step of a run, for people.
#[derive(Clone, Debug, Serialize)]
pub struct PastStep {
    /// The run.
    pub run: i64,
    /// The number of the step, from 1.
    pub position: i32,
    /// The object.
    pub address: String,
    /// The executed statement.
    pub sql: String,
    /// The statement that undoes it.
    pub undo: Option<String>,
    /// `started`, `done`, `failed`, `interrupted`.
    pub outcome: String,
    /// The message of the server, or how the end was found out.
    pub error: Option<String>,
    /// When it began.
    pub started_at: String,
    /// Milliseconds until its end was written.
    pub ms: Option<i64>,
}

/// What the rollback of a run needs to know.
#[derive(Clone, Debug)]
pub struct Undone {
    /// The plan that was executed.
    pub plan: serde_json::Value,
    /// The steps that may have had an effect.
    pub begun: Begun,
    /// The objects that later runs touched, in the order of the runs. Runs that were rolled back themselves do not
    /// count.
    pub later: Vec<(RunId, Address)>,
}

/// For each change of a plan: its address, and the addresses that it gives up.
const TOUCHED: &str = "coalesce((SELECT jsonb_agg(jsonb_build_array(change->'address') || \
    jsonb_path_query_array(change, '$.records[*].forget.address')) FROM jsonb_array_elements(plan->'changes') change), '[]')";

impl Registry {
    /// All runs with the latest first, or one run.
    ///
    /// # Errors
    /// The role may not read the history, or the connection fails.
    pub async fn runs(&self, session: &mut Session, only: Option<RunId>) -> Result<Vec<PastRun>, LiveError> {
        let mut find = run::Entity::find().select_only().column(run::Column::Id);
        for expression in [
            utc("started_at"),
            utc("finished_at"),
            Expr::cust("(extract(epoch FROM finished_at - started_at) * 1000)::int8"),
        ] {
            find = find.expr(expression);
        }
        let find = find
            .columns([run::Column::Outcome, run::Column::Role, run::Column::Commit, run::Column::Version])
            .expr(Expr::cust("plan->'summary'"))
            .exprs(self.asked(session).await?)
            .order_by_desc(run::Column::Id);
        let find = match only {
            Some(only) => find.filter(Expr::col(run::Column::Id).eq(only.0)),
            None => find,
        };
        let rows = session.batch(&self.select(&mut find.into_query(), "run")).await?;
        let at_work = applier_lock::is_held(session).await?;
        rows.iter().flatten().map(|row| past_run(row, at_work)).collect()
    }

    /// The columns for the command, the run that it rolls back, and the user. The first layout does not have them, and
    /// only an applier brings it up to date.
    async fn asked(&self, session: &mut Session) -> Result<[Expr; 3], LiveError> {
        let texts = match self.present(session).await?.version {
            Some(_) => ["command", "reverts", "operator"],
            None => ["'apply'::text", "NULL::int8", "NULL::text"],
        };
        Ok(texts.map(Expr::cust))
    }

    /// The steps of a run, in order.
    ///
    /// # Errors
    /// As [`Registry::runs`].
    pub async fn steps(&self, session: &mut Session, run: RunId) -> Result<Vec<PastStep>, LiveError> {
        let mut query = step::Entity::find()
            .select_only()
            .columns([step::Column::Position, step::Column::Address, step::Column::Statement, step::Column::Undo])
            .columns([step::Column::Outcome, step::Column::Error])
            .expr(utc("started_at"))
            .expr(Expr::cust("(extract(epoch FROM finished_at - started_at) * 1000)::int8"))
            .filter(Expr::col(step::Column::Run).eq(run.0))
            .order_by_asc(step::Column::Position)
            .into_query();
        let rows = session.batch(&self.select(&mut query, "step")).await?;
        rows.iter()
            .flatten()
            .map(|row| {
                Ok(PastStep {
                    run: run.0,
                    position: row.try_get(0)?,
                    address: row.try_get(1)?,
                    sql: row.try_get(2)?,
                    undo: row.try_get(3)?,
                    outcome: row.try_get(4)?,
                    error: row.try_get(5)?,
                    started_at: row.try_get(6)?,
                    ms: row.try_get(7)?,
                })
            })
            .collect()
    }

    /// The addresses of all managed objects.
    ///
    /// # Errors
    /// The role may not read the registry, or the connection fails.
    pub async fn managed(&self, session: &mut Session) -> Result<Vec<String>, LiveError> {
        let mut query = resource::Entity::find().select_only().column(resource::Column::Address).into_query();
        let rows = session.batch(&self.select(&mut query, "resource")).await?;
        rows.iter().flatten().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The addresses of what was applied with `protect: true`.
    ///
    /// # Errors
    /// As [`Registry::managed`].
    pub async fn protected(&self, session: &mut Session) -> Result<Vec<String>, LiveError> {
        let mut query = resource::Entity::find()
            .select_only()
            .column(resource::Column::Address)
            .filter(Expr::cust(r#"declaration @> '{"protect": true}'"#))
            .into_query();
        let rows = session.batch(&self.select(&mut query, "resource")).await?;
        rows.iter().flatten().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What the rollback of a run needs to know. `None` if there is no such run.
    ///
    /// # Errors
    /// As [`Registry::runs`].
    pub async fn undone(&self, session: &mut Session, run: RunId) -> Result<Option<Undone>, LiveError> {
        let mut query = run::Entity::find()
            .select_only()
            .columns([run::Column::Plan, run::Column::Outcome])
            .filter(Expr::col(run::Column::Id).eq(run.0))
            .into_query();
        let Some(row) = session.row(&self.select(&mut query, "run")).await? else { return Ok(None) };
        let (plan, outcome): (_, String) = (row.try_get(0)?, row.try_get(1)?);
        let begun = self.begun(session, run, outcome == RunOutcome::Done.name()).await?;
        let later = self.later(session, run).await?;
        Ok(Some(Undone { plan, begun, later }))
    }

    async fn begun(&self, session: &mut Session, run: RunId, whole: bool) -> Result<Begun, LiveError> {
        let mut resources = resource::Entity::find()
            .select_only()
            .column(resource::Column::Address)
            .filter(Expr::col(resource::Column::Run).eq(run.0))
            .into_query();
        let rows = session.batch(&self.select(&mut resources, "resource")).await?;
        let recorded: Result<Vec<String>, _> = rows.iter().flatten().map(|row| row.try_get(0)).collect();
        let recorded = recorded?.iter().filter_map(|address| address.parse().ok()).collect();
        let steps = self.steps(session, run).await?;
        let reached = |step: &PastStep| Some((usize::try_from(step.position).ok()?, may_have_effect(&step.outcome)));
        Ok(Begun { whole, steps: steps.iter().filter_map(reached).collect(), recorded })
    }

    /// The objects that later runs touched. A run and its rollback cancel each other out. A rollback of the run in
    /// question does not count either.
    async fn later(&self, session: &mut Session, run: RunId) -> Result<Vec<(RunId, Address)>, LiveError> {
        let mut query = run::Entity::find()
            .select_only()
            .columns([run::Column::Id, run::Column::Outcome])
            .expr(Expr::cust(TOUCHED))
            .exprs(self.asked(session).await?)
            .filter(Expr::col(run::Column::Id).gt(run.0))
            .order_by_desc(run::Column::Id)
            .into_query();
        let rows = session.batch(&self.select(&mut query, "run")).await?;
        let mut taken_back = BTreeSet::new();
        let mut later = Vec::new();
        for row in rows.iter().flatten() {
            let (id, outcome, reverts): (i64, String, Option<i64>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(4)?);
            let whole = outcome == RunOutcome::Done.name();
            let stands = !taken_back.contains(&id);
            if let (true, true, Some(reverted)) = (whole, stands, reverts) {
                taken_back.insert(reverted);
            }
            if stands && reverts.is_none_or(|reverted| reverted < run.0) {
                later.push((RunId(id), whole, row.try_get::<serde_json::Value, _>(2)?));
            }
        }
        let mut touched = Vec::new();
        for (id, whole, changes) in later.into_iter().rev() {
            let begun = if whole { None } else { Some(self.begun_addresses(session, id).await?) };
            touched.extend(addresses(&changes, begun.as_ref()).into_iter().map(|address| (id, address)));
        }
        Ok(touched)
    }

    /// The objects of the steps of a run that may have had an effect.
    async fn begun_addresses(&self, session: &mut Session, run: RunId) -> Result<BTreeSet<String>, LiveError> {
        let steps = self.steps(session, run).await?;
        Ok(steps.into_iter().filter(|step| may_have_effect(&step.outcome)).map(|step| step.address).collect())
    }

    /// The text of a query on one of the tables.
    pub(crate) fn select(&self, query: &mut SelectStatement, table: &'static str) -> String {
        query.from_clear().from(self.table(table)).to_string(PostgresQueryBuilder)
    }
}

/// A row of the query in [`Registry::runs`]. An open run was interrupted, unless an applier is at work.
fn past_run(row: &PgRow, at_work: bool) -> Result<PastRun, LiveError> {
    let outcome: String = row.try_get(4)?;
    let broken_off = outcome == RunOutcome::Running.name() && !at_work;
    Ok(PastRun {
        run: row.try_get(0)?,
        started_at: row.try_get(1)?,
        finished_at: row.try_get(2)?,
        ms: row.try_get(3)?,
        outcome: if broken_off { RunOutcome::Interrupted.name().to_owned() } else { outcome },
        role: row.try_get(5)?,
        commit: row.try_get(6)?,
        version: row.try_get(7)?,
        summary: row.try_get(8)?,
        command: row.try_get(9)?,
        reverts: row.try_get(10)?,
        operator: row.try_get(11)?,
    })
}

/// A step that failed, or that had no effect when it was looked up, has changed nothing. Any other step may have
/// changed something.
fn may_have_effect(outcome: &str) -> bool {
    outcome != StepOutcome::Failed.name() && outcome != StepOutcome::Interrupted.name()
}

/// The addresses in the rows of [`TOUCHED`], of all changes or of those that begin with one of `begun`.
fn addresses(changes: &serde_json::Value, begun: Option<&BTreeSet<String>>) -> BTreeSet<Address> {
    let changes = changes.as_array().into_iter().flatten().filter_map(|change| change.as_array());
    let texts = changes.map(|change| change.iter().filter_map(|address| address.as_str()).collect::<Vec<_>>());
    let touched = texts.filter(|texts| begun.is_none_or(|begun| texts.first().is_some_and(|own| begun.contains(*own))));
    touched.flatten().filter_map(|address| address.parse().ok()).collect()
}

fn utc(column: &'static str) -> Expr {
    let text = format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
    Expr::cust(text)
}
