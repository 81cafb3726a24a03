//! What was run: read for people, and for taking a run back.

use std::collections::BTreeSet;

use reconcile_core::{address::Address, plan::Plan};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, PostgresQueryBuilder, SelectStatement},
    sqlx::Row as _,
};
use serde::Serialize;

use super::{Registry, RunId, resource, run, step};
use crate::lock;

/// A run, for people. Times are RFC 3339 in UTC, by the clock of the database.
#[derive(Clone, Debug, Serialize)]
pub struct PastRun {
    /// Its number.
    pub run: i64,
    /// When it began.
    pub started_at: String,
    /// When its end was written; `None`: it runs, or broke off.
    pub finished_at: Option<String>,
    /// Milliseconds between the two.
    pub ms: Option<i64>,
    /// `running`, `done`, `failed`, `incomplete`, `interrupted`.
    pub outcome: String,
    /// What was asked for.
    pub command: String,
    /// The run that it takes back.
    pub reverts: Option<i64>,
    /// The database role.
    pub role: String,
    /// The operating system's user.
    pub operator: Option<String>,
    /// Of the declared files, in a git checkout.
    pub commit: Option<String>,
    /// Of the program.
    pub version: String,
    /// How many changes of each action were planned.
    pub summary: serde_json::Value,
}

/// A step of a run, for people.
#[derive(Clone, Debug, Serialize)]
pub struct PastStep {
    /// From 1.
    pub position: i32,
    /// The object.
    pub address: String,
    /// What was executed.
    pub sql: String,
    /// What takes it back.
    pub undo: Option<String>,
    /// `started`, `done`, `failed`, `interrupted`.
    pub outcome: String,
    /// What the server said, or how the end was found out.
    pub error: Option<String>,
    /// When it began.
    pub started_at: String,
    /// Milliseconds until its end was written.
    pub ms: Option<i64>,
}

/// What it takes to go back from a run.
#[derive(Clone, Debug)]
pub struct Undone {
    /// What was to be done.
    pub plan: serde_json::Value,
    /// The objects that it got to.
    pub begun: BTreeSet<Address>,
    /// Later runs that touched one of those objects and were not taken back themselves.
    pub later: Vec<(RunId, String)>,
}

impl Registry {
    /// All runs, the latest first; or one.
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
            .columns([run::Column::Outcome, run::Column::Command, run::Column::Reverts, run::Column::Role])
            .columns([run::Column::Operator, run::Column::Commit, run::Column::Version])
            .expr(Expr::cust("plan->'summary'"))
            .order_by_desc(run::Column::Id);
        let find = match only {
            Some(only) => find.filter(Expr::col(run::Column::Id).eq(only.0)),
            None => find,
        };
        let rows = session.batch(&self.select(&mut find.into_query(), "run")).await?;
        // A run that nobody holds the lock for any more has broken off.
        let at_work = lock::is_held(session).await?;
        rows.iter()
            .flatten()
            .map(|row| {
                let outcome: String = row.try_get(4)?;
                Ok(PastRun {
                    run: row.try_get(0)?,
                    started_at: row.try_get(1)?,
                    finished_at: row.try_get(2)?,
                    ms: row.try_get(3)?,
                    outcome: if outcome == "running" && !at_work { "interrupted".to_owned() } else { outcome },
                    command: row.try_get(5)?,
                    reverts: row.try_get(6)?,
                    role: row.try_get(7)?,
                    operator: row.try_get(8)?,
                    commit: row.try_get(9)?,
                    version: row.try_get(10)?,
                    summary: row.try_get(11)?,
                })
            })
            .collect()
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

    /// The addresses of all that is managed.
    ///
    /// # Errors
    /// The role may not read the registry, or the connection fails.
    pub async fn managed(&self, session: &mut Session) -> Result<Vec<String>, LiveError> {
        let mut query = resource::Entity::find().select_only().column(resource::Column::Address).into_query();
        let rows = session.batch(&self.select(&mut query, "resource")).await?;
        rows.iter().flatten().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What is known of a run, to take it back; `None`: there is no such run.
    ///
    /// # Errors
    /// As [`Registry::runs`].
    pub async fn undone(&self, session: &mut Session, run: RunId) -> Result<Option<Undone>, LiveError> {
        let mut query = run::Entity::find()
            .select_only()
            .column(run::Column::Plan)
            .filter(Expr::col(run::Column::Id).eq(run.0))
            .into_query();
        let Some(row) = session.row(&self.select(&mut query, "run")).await? else { return Ok(None) };
        let plan = row.try_get(0)?;
        let begun = self.begun(session, run).await?;
        let later = self.later(session, run, &begun).await?;
        Ok(Some(Undone { plan, begun, later }))
    }

    /// What a run got to: objects of its steps, and those that the registry has from it.
    async fn begun(&self, session: &mut Session, run: RunId) -> Result<BTreeSet<Address>, LiveError> {
        let mut steps = step::Entity::find()
            .select_only()
            .column(step::Column::Address)
            .filter(Expr::col(step::Column::Run).eq(run.0))
            .into_query();
        let mut resources = resource::Entity::find()
            .select_only()
            .column(resource::Column::Address)
            .filter(Expr::col(resource::Column::Run).eq(run.0))
            .into_query();
        let sql = format!("{}; {}", self.select(&mut steps, "step"), self.select(&mut resources, "resource"));
        let results = session.batch(&sql).await?;
        let addresses: Result<Vec<String>, _> = results.iter().flatten().map(|row| row.try_get(0)).collect();
        Ok(addresses?.iter().filter_map(|address| address.parse().ok()).collect())
    }

    async fn later(
        &self,
        session: &mut Session,
        run: RunId,
        begun: &BTreeSet<Address>,
    ) -> Result<Vec<(RunId, String)>, LiveError> {
        let mut taken_back = run::Entity::find()
            .select_only()
            .column(run::Column::Reverts)
            .filter(Expr::col(run::Column::Outcome).eq("done"))
            .filter(Expr::col(run::Column::Reverts).is_not_null())
            .into_query();
        let mut reverting = run::Entity::find()
            .select_only()
            .column(run::Column::Id)
            .filter(Expr::col(run::Column::Reverts).is_not_null())
            .into_query();
        taken_back.from_clear().from(self.table("run"));
        reverting.from_clear().from(self.table("run"));
        let mut query = step::Entity::find()
            .select_only()
            .distinct()
            .columns([step::Column::Run, step::Column::Address])
            .filter(Expr::col(step::Column::Run).gt(run.0))
            .filter(Expr::col(step::Column::Outcome).eq("done"))
            .filter(Expr::col(step::Column::Run).not_in_subquery(taken_back))
            .filter(Expr::col(step::Column::Run).not_in_subquery(reverting))
            .order_by_asc(step::Column::Run)
            .into_query();
        let rows = session.batch(&self.select(&mut query, "step")).await?;
        let pairs: Result<Vec<(i64, String)>, LiveError> =
            rows.iter().flatten().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
        let touches = |address: &str| address.parse().is_ok_and(|address: Address| begun.contains(&address));
        Ok(pairs?.into_iter().filter(|(_, address)| touches(address)).map(|(id, a)| (RunId(id), a)).collect())
    }

    /// The text of a query on one of the tables.
    pub(super) fn select(&self, query: &mut SelectStatement, table: &'static str) -> String {
        query.from_clear().from(self.table(table)).to_string(PostgresQueryBuilder)
    }
}

/// A plan as the history has it.
///
/// # Errors
/// Another version of the program wrote it.
pub fn plan(stored: serde_json::Value) -> Result<Plan, serde_json::Error> {
    serde_json::from_value(stored)
}

fn utc(column: &'static str) -> Expr {
    let text = format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
    Expr::cust(text)
}
