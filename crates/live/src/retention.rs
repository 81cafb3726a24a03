//! What retention rules have to know: their tables, in the same snapshot as everything else, and the planner's word on
//! how many rows would go. A project without rules costs no round trip here.

use std::collections::BTreeMap;

use reconcile_core::{
    desired::{DeclaredRule, Desired},
    kinds::{
        retention::{
            Clock, Rule,
            batch::Selection,
            catalog::{self as facts, Estimate, Table},
            decide::{estimate, tables},
        },
        schedule::{
            Scheduler,
            catalog::{JOBS, Job},
        },
    },
    live::Live,
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
    problem::Problem,
};
use sea_orm::sqlx::{Row as _, postgres::PgRow};

use crate::{
    LiveError, ReadOptions, Session, probe,
    session::{objects, unknown},
    settings,
};

/// Reads the tables of all rules, declared or in force.
///
/// # Errors
/// The connection or a query fails.
pub async fn read(
    session: &mut Session,
    desired: &Desired,
    live: &mut Live,
    options: &ReadOptions,
) -> Result<(), LiveError> {
    let rules = desired.rules.iter().map(|declared| &declared.rule).chain(live.registry.rules.values());
    let names = tables(rules);
    let jobs = desired.scheduler == Some(Scheduler::PgCron)
        && desired.matviews.iter().any(|declared| declared.view.schedule().is_some());
    if names.is_empty() && live.registry.schedules.is_empty() && !jobs {
        return Ok(());
    }
    let mut batch = routines(&options.registry_schema).to_string();
    for query in [live.cron.readable.then(|| JOBS.to_owned()), (!names.is_empty()).then(|| facts::query(&names))] {
        batch.extend(query.into_iter().flat_map(|query| ["; ".to_owned(), query]));
    }
    let mut results = session.batch(&batch).await?.into_iter();
    for row in results.next().unwrap_or_default() {
        let body: serde_json::Value = row.try_get(1)?;
        live.retention
            .routines
            .insert(Ident::from_server(row.try_get(0)?), serde_json::from_value(body).map_err(unknown)?);
    }
    if live.cron.readable {
        for row in results.next().unwrap_or_default() {
            let job = Job { schedule: row.try_get(1)?, command: row.try_get(2)?, active: row.try_get(3)? };
            live.cron.jobs.insert(row.try_get(0)?, job);
        }
    }
    live.retention.tables = decoded(&results.next().unwrap_or_default())?;
    Ok(())
}

/// The routines of rules and of chains of views: name, and what they are.
fn routines(registry: &Ident) -> Sql {
    Sql::new(
        "SELECT p.proname::text, jsonb_build_object('kind', p.prokind, 'body', p.prosrc, \
         'own', pg_get_userbyid(p.proowner) = current_user) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.pronargs = 0 AND p.prokind IN ('f', 'p') AND p.proname ~ '^(retain|preview|refresh):' AND n.nspname = ",
    )
    .literal(registry.as_str())
}

/// Reads some tables.
///
/// # Errors
/// The connection or the query fails.
pub async fn facts_of(
    session: &mut Session,
    names: &[&QualifiedName],
) -> Result<BTreeMap<QualifiedName, Table>, LiveError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    decoded(&session.batch(&facts::query(names)).await?.into_iter().flatten().collect::<Vec<_>>())
}

fn decoded(rows: &[PgRow]) -> Result<BTreeMap<QualifiedName, Table>, LiveError> {
    Ok(objects(rows)?.into_iter().map(|table: Table| (table.name.clone(), table)).collect())
}

/// Asks the planner how much each rule would let go that is not in force as declared. Returns what the server does not
/// accept of them.
///
/// # Errors
/// The connection fails, or this role may not read a table.
pub async fn estimate_all(
    session: &mut Session,
    desired: &Desired,
    live: &mut Live,
    options: &ReadOptions,
) -> Result<Vec<Problem>, LiveError> {
    let mut problems = Vec::new();
    for declared in &desired.rules {
        let rule = &declared.rule;
        let before = live.registry.rules.get(&rule.table);
        if before == Some(rule) {
            continue;
        }
        let Some(table) = live.retention.tables.get(&rule.table) else { continue };
        let Some(clock) = table.column(&rule.column).and_then(facts::Column::clock) else { continue };
        match one(session, rule, before, clock, table, options).await {
            Ok(found) => {
                live.retention.estimates.insert(rule.table.clone(), found);
            }
            Err(LiveError::Server(error)) if probe::is_about_us(&error) => return Err(LiveError::Server(error)),
            Err(LiveError::Server(error)) => {
                session.batch("ROLLBACK").await?;
                problems.push(refused(declared, &error.message, &error.code));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(problems)
}

async fn one(
    session: &mut Session,
    rule: &Rule,
    before: Option<&Rule>,
    clock: Clock,
    table: &Table,
    options: &ReadOptions,
) -> Result<Estimate, LiveError> {
    let (rows, width) = planned(session, rule, clock, options).await?;
    // A rule in force on another column says nothing about this one.
    let before = match before.filter(|before| before.column == rule.column) {
        Some(before) => Some(planned(session, before, clock, options).await?.0),
        None => None,
    };
    let oldest = if table.leading.contains(&rule.column) { oldest(session, rule).await? } else { None };
    Ok(estimate(rule, rows, width, before, oldest))
}

/// Rows that the planner expects, and bytes of each.
async fn planned(
    session: &mut Session,
    rule: &Rule,
    clock: Clock,
    options: &ReadOptions,
) -> Result<(u64, u64), LiveError> {
    let path = Sql::new("SET LOCAL search_path = ").search_path(&options.search_path);
    let explain = Selection::expired_now(rule, clock).estimate();
    let batch = format!("BEGIN READ ONLY; {}{path}; {explain}; COMMIT", settings::local());
    let unreadable = || LiveError::Connection("EXPLAIN answered in an unknown form".to_owned());
    let row = session.row(&batch).await?.ok_or_else(unreadable)?;
    let text: String = row.try_get_unchecked(0)?;
    let plan: serde_json::Value = serde_json::from_str(&text).map_err(|_| unreadable())?;
    let number = |key: &str| plan.pointer(&format!("/0/Plan/{key}")).and_then(serde_json::Value::as_u64);
    Ok((number("Plan Rows").ok_or_else(unreadable)?, number("Plan Width").unwrap_or_default()))
}

/// The oldest time in the table; an index leads with it.
async fn oldest(session: &mut Session, rule: &Rule) -> Result<Option<String>, LiveError> {
    let sql = Sql::new("SELECT ").ident(&rule.column).raw("::text FROM ").name(&rule.table).raw(" WHERE ");
    let sql = sql.ident(&rule.column).raw(" > '-infinity' ORDER BY ").ident(&rule.column).raw(" LIMIT 1");
    let row = session.row(&format!("BEGIN READ ONLY; {}{sql}; COMMIT", settings::local())).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The place in the YAML that the server means.
fn refused(declared: &DeclaredRule, message: &str, code: &str) -> Problem {
    // "invalid_parameter_value": time zone "…" not recognized.
    let key = if code == "22023" { "timezone" } else { "where" };
    Problem::new(&declared.at.key(key), format!("the server does not accept this: {message}"))
}
