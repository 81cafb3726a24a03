//! Reads the tables that rules touch, and how many rows would go: by the planner's word, or counted.

use std::collections::BTreeMap;

use super::{
    Clock, Live, Rule, View,
    batch::Selection,
    catalog::{self, Column, Table},
    decide::{batches, tables},
};
use crate::{
    change::Estimate,
    declared::Declared,
    kind::Context,
    postgres::{
        batch::{Answers, Ask, Asked, Batch, ServerError, ask_about, ask_alone, roll_back},
        name::QualifiedName,
        rows::DecodeError,
        sql::Sql,
    },
    problem::Problem,
};

/// How long a plan may count for.
const COUNT_LIMIT: &str = "SET LOCAL statement_timeout = '2s'";

/// The statement took longer than it may.
const QUERY_CANCELED: &str = "57014";

/// The tables of all rules, declared or in force.
#[must_use]
pub fn names(view: View<'_>) -> Vec<&QualifiedName> {
    let declared = view.desired.iter().map(|declared| &declared.object);
    tables(declared.chain(view.live.in_force.values()))
}

/// The tables that declared rules name and that do not exist.
pub fn missing(view: View<'_>) -> impl Iterator<Item = &QualifiedName> {
    let declared = tables(view.desired.iter().map(|declared| &declared.object));
    declared.into_iter().filter(move |name| !view.live.tables.contains_key(*name))
}

/// Asks for the tables of all rules; nothing, where there are none.
pub fn ask(view: View<'_>, batch: &mut Batch) -> Option<Asked> {
    let names = names(view);
    (!names.is_empty()).then(|| batch.ask(catalog::query(&names)))
}

/// Completes the live side.
///
/// # Errors
/// The rows are not what the query promises.
pub fn complete(asked: Option<Asked>, answers: &mut Answers, live: &mut Live) -> Result<(), DecodeError> {
    if let Some(asked) = asked {
        live.tables = answers.by_name(asked)?;
    }
    Ok(())
}

/// Reads some tables.
///
/// # Errors
/// The connection or the query fails.
pub async fn facts_of<S: Ask>(
    server: &mut S,
    names: &[&QualifiedName],
) -> Result<BTreeMap<QualifiedName, Table>, S::Error> {
    ask_about(server, names, catalog::query).await
}

/// Asks how much each rule would let go that is not in force as declared. Returns what the server does not
/// accept of them.
///
/// # Errors
/// The connection fails, or this role may not read a table.
pub async fn estimates<S: Ask>(
    server: &mut S,
    view: View<'_>,
    context: Context<'_>,
) -> Result<(BTreeMap<QualifiedName, Estimate>, Vec<Problem>), S::Error> {
    let (mut estimates, mut problems) = (BTreeMap::new(), Vec::new());
    for declared in view.desired {
        let rule = &declared.object;
        if view.live.in_force.get(&rule.table) == Some(rule) {
            continue;
        }
        let Some(table) = view.live.tables.get(&rule.table) else { continue };
        let Some(clock) = table.column(&rule.column).and_then(Column::clock) else { continue };
        let error = match one(server, rule, clock, table, view, context).await {
            Ok(found) => {
                estimates.insert(rule.table.clone(), found);
                continue;
            }
            Err(error) => S::refusal(error)?,
        };
        if error.is_about_us() {
            return Err(S::refused(error));
        }
        roll_back(server).await?;
        problems.push(refused(declared, &error));
    }
    Ok((estimates, problems))
}

async fn one<S: Ask>(
    server: &mut S,
    rule: &Rule,
    clock: Clock,
    table: &Table,
    view: View<'_>,
    context: Context<'_>,
) -> Result<Estimate, S::Error> {
    // A rule in force on another column says nothing about this one.
    let before = view.live.in_force.get(&rule.table).filter(|before| before.column == rule.column);
    let oldest = if table.leading.contains(&rule.column) { oldest(server, rule).await? } else { None };
    if has_statistics(server, rule, table).await? {
        let (rows, width) = planned(server, rule, clock, context).await?;
        let before = match before {
            Some(before) => Some(planned(server, before, clock, context).await?.0),
            None => None,
        };
        let (batches, bytes) = (Some(batches(rule, rows)), Some(rows.saturating_mul(width)));
        return Ok(Estimate { rows: Some(rows), counted: false, bytes, before, batches, oldest });
    }
    let rows = counted(server, rule, clock, context).await?;
    let before = match before.filter(|_| rows.is_some()) {
        Some(before) => counted(server, before, clock, context).await?,
        None => None,
    };
    let batches = rows.map(|rows| batches(rule, rows));
    Ok(Estimate { rows, counted: rows.is_some(), bytes: None, before, batches, oldest })
}

/// Whether the planner has statistics of the rule's column, for nearly all of the table. Without them it takes a constant
/// part of a guessed number of rows.
async fn has_statistics<S: Ask>(server: &mut S, rule: &Rule, table: &Table) -> Result<bool, S::Error> {
    let parts: Vec<_> = table.leaves().map(|part| &part.name).collect();
    let sql = Sql::new("SELECT coalesce(sum(p.bytes) FILTER (WHERE s.attname IS NOT NULL) >= sum(p.bytes) * 0.9, false)::text         FROM (SELECT v.schema, v.name, pg_relation_size(format('%I.%I', v.schema, v.name)::regclass) AS bytes FROM (VALUES ")
        .list(parts, ", ", Sql::name_literals)
        .raw(") v(schema, name)) p LEFT JOIN pg_stats s ON s.schemaname = p.schema AND s.tablename = p.name AND s.attname = ")
        .literal(rule.column.as_str())
        .raw(" AND NOT s.inherited");
    Ok(ask_alone(server, &[], sql).await?.column(0)?.pop().is_some_and(|answer: String| answer == "true"))
}

/// How many rows would go. `None`: a count takes too long for a plan.
async fn counted<S: Ask>(
    server: &mut S,
    rule: &Rule,
    clock: Clock,
    context: Context<'_>,
) -> Result<Option<u64>, S::Error> {
    let mut batch = Batch::begin_reading();
    batch.look_up_in(&context.session.search_path);
    batch.run(COUNT_LIMIT);
    let asked = batch.ask(Selection::expired_now(rule, clock).count(&rule.table));
    batch.run("COMMIT");
    match server.send(&batch).await {
        Ok(mut answers) => {
            let rows: i64 = answers.take(asked)?.one()?.get(0)?;
            Ok(u64::try_from(rows).ok())
        }
        Err(error) => match S::refusal(error)? {
            error if error.code == QUERY_CANCELED => roll_back(server).await.map(|()| None),
            error => Err(S::refused(error)),
        },
    }
}

/// Rows that the planner expects, and bytes of each.
async fn planned<S: Ask>(
    server: &mut S,
    rule: &Rule,
    clock: Clock,
    context: Context<'_>,
) -> Result<(u64, u64), S::Error> {
    let query = Selection::expired_now(rule, clock).estimate();
    let plan: serde_json::Value = ask_alone(server, &context.session.search_path, query).await?.one()?.json(0)?;
    let number = |key: &str| plan.pointer(&format!("/0/Plan/{key}")).and_then(serde_json::Value::as_u64);
    Ok((number("Plan Rows").ok_or(DecodeError::Row)?, number("Plan Width").unwrap_or_default()))
}

/// The oldest time in the table; an index leads with it.
async fn oldest<S: Ask>(server: &mut S, rule: &Rule) -> Result<Option<String>, S::Error> {
    let sql = Sql::new("SELECT ").ident(&rule.column).raw("::text FROM ").name(&rule.table).raw(" WHERE ");
    let sql = sql.ident(&rule.column).raw(" > '-infinity' ORDER BY ").ident(&rule.column).raw(" LIMIT 1");
    Ok(ask_alone(server, &[], sql).await?.column(0)?.pop())
}

/// The place in the YAML that the server means.
fn refused(declared: &Declared<Rule>, error: &ServerError) -> Problem {
    // "invalid_parameter_value": time zone "…" not recognized.
    let key = if error.code == "22023" { "timezone" } else { "where" };
    Problem::new(&declared.at.key(key), format!("the server does not accept this: {}", error.message))
}
