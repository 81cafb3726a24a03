//! What happens to the rules that are in force: the registry takes note of them, and the archive is kept in step.

use crate::{
    change::{Action, Change, Impact, Note, Prior, Record, Step, TimeLimits},
    declared::Declared,
    digest::Digest,
    hazard::{Hazard, HazardSet},
    kind::{Context, Part, Stage},
    postgres::{
        cron::Runner,
        lock::Lock,
        name::{Ident, QualifiedName},
        routine::{self, Routine},
        sql::Sql,
    },
    problem::Problem,
};
use std::collections::BTreeMap;

use super::{
    Rule, View, address,
    catalog::Table,
    check,
    preflight::Refused,
    routine::{former_names, is_of, preview, preview_name, procedure, procedure_name},
};

/// Decides about every rule that is declared or in force.
pub(super) fn plan(context: Context<'_>, view: View<'_>) -> Part<Rule> {
    let mut out = Part::default();
    for declared in view.desired.iter().filter(|declared| context.scope.admits(&declared.object.address())) {
        let findings = check::rule(declared, context, view);
        if !findings.problems.is_empty() {
            out.problems.extend(findings.problems);
            continue;
        }
        match declared_rule(declared, context, view) {
            Ok(Some(change)) => {
                out.changes.push((Stage::Policies, change));
                out.notes.extend(findings.notes);
                out.notes.extend(unscheduled(&declared.object, context.scheduler));
            }
            Ok(None) => {}
            Err(refused) => out.problems.push(Problem::new(&declared.at, refused.message).on_key().hint(refused.hint)),
        }
    }
    for (table, rule) in &view.live.in_force {
        if view.declared(table).is_none() && context.scope.admits(&address(table)) {
            out.changes.push((Stage::Policies, undeclared_rule(rule, context, view)));
        }
    }
    out
}

fn declared_rule(
    declared: &Declared<Rule>,
    context: Context<'_>,
    view: View<'_>,
) -> Result<Option<Change<Rule>>, Refused> {
    let rule = &declared.object;
    let Some(table) = view.live.tables.get(&rule.table) else { return Ok(None) };
    let in_force = view.live.in_force.get(&rule.table);
    let mut steps = archive_steps(rule, table, view, context.limits);
    let archive_is_in_step = steps.is_empty();
    steps.extend(routine_steps(rule, table, context, view)?);
    let (action, reason) = match in_force {
        None => (Action::Create, "no such rule is in force".to_owned()),
        Some(before) if before != rule => (Action::Update, differences(before, rule)),
        Some(_) if !archive_is_in_step => (Action::Update, "its archive is not as the table is".to_owned()),
        Some(_) if !steps.is_empty() => {
            (Action::Update, "what stands for it in the database is not as it should be".to_owned())
        }
        Some(_) => return Ok(None),
    };
    let mut hazards: HazardSet = steps.iter().flat_map(|step| step.hazards.iter().copied()).collect();
    if in_force.is_none_or(|before| lets_more_go(before, rule)) {
        hazards.insert(Hazard::DeletesData);
    }
    let bytes = u64::try_from(table.bytes).unwrap_or_default();
    let rows = table.rows.and_then(|rows| u64::try_from(rows).ok());
    let estimate = view.live.estimates.get(&rule.table).cloned();
    Ok(Some(Change {
        address: rule.address(),
        action,
        reason,
        before: in_force.cloned(),
        after: Some(rule.clone()),
        takes_in: Vec::new(),
        prior: Prior { managed: in_force.is_some(), valid: in_force.is_some(), hangs: Vec::new() },
        relies_on: relies_on(rule, context, view),
        lane: rule.table.clone(),
        hazards,
        impact: Impact { estimate, ..Impact::of(&rule.table, bytes, rows) },
        steps,
        records: vec![Record::manage(rule.address(), &declared.digest, Digest::of(rule), rule)],
    }))
}

fn undeclared_rule(rule: &Rule, context: Context<'_>, view: View<'_>) -> Change<Rule> {
    let address = rule.address();
    // Nothing happens to any row either way: a routine of a rule that is not in force does nothing.
    let (action, reason, steps) = if let Some(reason) = context.scope.released(&address) {
        (Action::Forget, reason.clone(), Vec::new())
    } else {
        let steps = surplus(rule, context, view, &[]);
        (Action::Drop, "it is no longer declared; its rows stay from now on".to_owned(), steps)
    };
    Change {
        action,
        reason,
        before: Some(rule.clone()),
        after: None,
        takes_in: Vec::new(),
        prior: Prior { managed: true, valid: true, hangs: Vec::new() },
        relies_on: relies_on(rule, context, view),
        lane: rule.table.clone(),
        hazards: HazardSet::new(),
        impact: Impact::unknown(&rule.table),
        steps,
        records: vec![Record::Forget { address: address.clone() }],
        address,
    }
}

/// Of the tables as they are, but for their sizes.
fn relies_on(rule: &Rule, context: Context<'_>, view: View<'_>) -> Digest {
    let tables = rule.tables().into_iter().filter_map(|name| view.live.tables.get(name));
    let facts: Vec<_> = tables.map(|table| (table.oid, &table.columns, &table.references)).collect();
    let routines = &context.registry.routines;
    let names = routine_names(rule, context, view).into_iter();
    let bodies: Vec<_> = names.map(|name| routines.get(&name.name).map(|found| found.body.clone())).collect();
    Digest::of(&(view.live.in_force.get(&rule.table), facts, bodies))
}

/// What differs, by the names that the YAML has for it.
fn differences(before: &Rule, after: &Rule) -> String {
    let mut names = Vec::new();
    let mut note = |differs: bool, name| names.extend(differs.then_some(name));
    note(before.column != after.column, "column");
    note(before.retain_for != after.retain_for, "retain_for");
    note(before.timezone != after.timezone, "timezone");
    note(before.action != after.action, "action");
    note(before.predicate != after.predicate, "where");
    note(before.children != after.children, "children");
    note(before.batch != after.batch, "batch");
    note(before.limits != after.limits, "limits");
    note(before.vacuum != after.vacuum, "vacuum");
    note(before.schedule != after.schedule, "schedule");
    note(before.after_refresh != after.after_refresh, "after_refresh");
    format!("differs in {}", names.join(", "))
}

/// Whether rows may go that stay under the rule in force. What cannot be compared counts as more.
fn lets_more_go(before: &Rule, after: &Rule) -> bool {
    let limit = |before: Option<u64>, after: Option<u64>| match (before, after) {
        (Some(before), Some(after)) => after > before,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let fraction = |limit: Option<f64>| limit.unwrap_or(1.0);
    before.column != after.column
        || before.timezone != after.timezone
        || before.action != after.action
        || before.predicate != after.predicate
        || before.children != after.children
        || after.retain_for.is_shorter_than(before.retain_for)
        || (after.retain_for != before.retain_for && !before.retain_for.is_shorter_than(after.retain_for))
        || before.after_refresh.iter().any(|view| !after.after_refresh.contains(view))
        || limit(before.limits.max_rows, after.limits.max_rows)
        || fraction(after.limits.max_fraction) > fraction(before.limits.max_fraction)
}

/// What stands for a rule in the database: what counts its rows, and where `pg_cron` runs it, what moves them.
fn routine_steps(rule: &Rule, table: &Table, context: Context<'_>, view: View<'_>) -> Result<Vec<Step>, Refused> {
    let own = rule.tables().into_iter().filter_map(|name| view.live.tables.get_key_value(name));
    let mut found: BTreeMap<_, _> = own.map(|(name, table)| (name.clone(), table.clone())).collect();
    if let Some(to) = rule.archive() {
        found.insert(to.clone(), table.archived(to, found.get(to)));
    }
    let tables = rule.resolved_tables(&found)?;
    let mut wanted = vec![preview(rule, &tables, context.session)];
    if context.scheduler == Some(Runner::PgCron) && rule.schedule.is_some() {
        wanted.extend(procedure(rule, &tables, context.session, context.limits));
    }
    let routines = &context.registry.routines;
    let missing = wanted.iter().filter(|routine| !routine.is(routines.get(&routine.name().name)));
    let mut steps: Vec<_> = missing.map(|routine| Step::of_routine(routine, context.limits)).collect();
    steps.extend(surplus(rule, context, view, &wanted));
    Ok(steps)
}

/// Takes away what stands for a rule in the database and is not wanted.
fn surplus(rule: &Rule, context: Context<'_>, view: View<'_>, wanted: &[Routine]) -> Vec<Step> {
    let names = routine_names(rule, context, view);
    let unwanted = names.iter().filter(|name| !wanted.iter().any(|routine| routine.name() == *name));
    let found = unwanted.filter_map(|name| Some((name, context.registry.routines.get(&name.name)?)));
    found.map(|(name, found)| Step::brief(routine::drop(name, found.kind), None, context.limits)).collect()
}

/// The names of a rule's routines, and the names that earlier versions gave those that still exist.
fn routine_names(rule: &Rule, context: Context<'_>, view: View<'_>) -> Vec<QualifiedName> {
    let registry = &context.session.registry_schema;
    let names = |table: &QualifiedName| [procedure_name(table, registry), preview_name(table, registry)];
    let declared = view.desired.iter().map(|declared| &declared.object.table);
    let tables = || declared.clone().chain(view.live.in_force.keys());
    let made = |name: &QualifiedName| {
        context.registry.routines.get(&name.name).is_some_and(|found| is_of(found, rule))
            && !tables().any(|table| names(table).contains(name))
    };
    names(&rule.table).into_iter().chain(former_names(&rule.table, registry).filter(made)).collect()
}

/// A schedule that nothing in the database keeps.
fn unscheduled(rule: &Rule, scheduler: Option<Runner>) -> Option<Note> {
    let schedule = rule.schedule.as_ref().filter(|_| scheduler != Some(Runner::PgCron))?;
    let text = format!("nothing in the database runs it at `{schedule}`: have `reconcile retain` called then");
    Some(Note::new(rule.address(), text))
}

/// What makes the archive take every row of the table.
fn archive_steps(rule: &Rule, table: &Table, view: View<'_>, limits: TimeLimits) -> Vec<Step> {
    let Some(to) = rule.archive() else { return Vec::new() };
    let Some(archive) = view.live.tables.get(to) else {
        let sql = Sql::new("CREATE TABLE ").name(to).raw(" (LIKE ").name(&table.name);
        let sql = sql.raw(" INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING STORAGE)");
        return vec![step(sql, None, limits)];
    };
    let alter = || Sql::new("ALTER TABLE ").name(to);
    let missing = table.columns.iter().filter(|column| archive.column(&column.name).is_none());
    let add = missing.map(|column| {
        let sql = alter().raw(" ADD COLUMN ").ident(&column.name).raw(" ").server_text(&column.type_name);
        step(sql, Some(Lock::AccessExclusiveLock), limits)
    });
    let nullable = |name: &Ident| table.column(name).is_none_or(|column| !column.not_null);
    let strict = archive.columns.iter().filter(|column| column.not_null && nullable(&column.name));
    let loosen = strict.map(|column| {
        let sql = alter().raw(" ALTER COLUMN ").ident(&column.name).raw(" DROP NOT NULL");
        step(sql, Some(Lock::AccessExclusiveLock), limits)
    });
    add.chain(loosen).collect()
}

fn step(sql: Sql, lock: Option<Lock>, limits: TimeLimits) -> Step {
    let hazards = lock.map(|_| Hazard::AccessExclusiveLock).into_iter().collect();
    Step { hazards, ..Step::brief(sql, lock, limits) }
}

/// The tables that rules have to do with.
#[must_use]
pub fn tables<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<&'a QualifiedName> {
    let mut names: Vec<_> = rules.flat_map(Rule::tables).collect();
    names.sort();
    names.dedup();
    names
}

/// How many batches so many rows take, at least.
#[must_use]
pub fn batches(rule: &Rule, rows: u64) -> u64 {
    rows.div_ceil(u64::from(rule.batch.rows).max(1))
}
