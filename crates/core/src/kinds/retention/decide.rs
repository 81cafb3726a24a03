//! What happens to the rules that are in force: the registry takes note of them, and the archive is kept in step.

use std::collections::BTreeMap;

use super::{
    Rule,
    catalog::{Estimate, Table},
    check,
    preflight::Refused,
    routine::{preview, preview_name, procedure, procedure_name},
};
use crate::{
    address::Address,
    desired::{DeclaredRule, Desired},
    digest::Digest,
    hazard::{Hazard, HazardSet},
    kinds::{Object, schedule::Scheduler},
    live::Live,
    plan::{Action, Note, PlannedChange, Prior, Record, RelationSize, SessionSettings, Step, TimeLimits},
    postgres::{
        lock::Lock,
        name::{Ident, QualifiedName},
        routine::{self, Routine},
        sql::Sql,
    },
    problem::Problem,
    scope::{Filter, Release},
};

/// How the project is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// How long steps may wait.
    pub limits: TimeLimits,
    /// Where names are looked up, and where reconcile's own things are.
    pub session: &'a SessionSettings,
}

/// What was decided about all rules.
#[derive(Debug, Default)]
pub struct Decisions {
    /// In the order of execution.
    pub changes: Vec<PlannedChange>,
    /// What changes nothing and is worth knowing.
    pub notes: Vec<Note>,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
}

/// Decides about every rule that is declared or in force.
#[must_use]
pub fn decide(desired: &Desired, live: &Live, filter: &Filter, release: &Release, setting: Setting<'_>) -> Decisions {
    let mut out = Decisions::default();
    let surroundings = check::Surroundings { desired, live, filter, search_path: &setting.session.search_path };
    for declared in desired.rules.iter().filter(|declared| filter.admits(&declared.rule.address())) {
        let findings = check::rule(declared, surroundings);
        if !findings.problems.is_empty() {
            out.problems.extend(findings.problems);
            continue;
        }
        match declared_rule(declared, live, desired.scheduler, setting) {
            Ok(Some(change)) => {
                out.changes.push(change);
                out.notes.extend(findings.notes);
                out.notes.extend(unscheduled(&declared.rule, desired.scheduler));
            }
            Ok(None) => {}
            Err(refused) => out.problems.push(Problem::new(&declared.at, refused.message).on_key().hint(refused.hint)),
        }
    }
    for (table, rule) in &live.registry.rules {
        let address = Address::retention(table);
        if desired.rule(table).is_none() && filter.admits(&address) {
            out.changes.push(undeclared_rule(address, rule, live, release, setting));
        }
    }
    out
}

fn declared_rule(
    declared: &DeclaredRule,
    live: &Live,
    scheduler: Option<Scheduler>,
    setting: Setting<'_>,
) -> Result<Option<PlannedChange>, Refused> {
    let rule = &declared.rule;
    let Some(table) = live.retention.tables.get(&rule.table) else { return Ok(None) };
    let in_force = live.registry.rules.get(&rule.table);
    let mut steps = archive_steps(rule, table, live, setting.limits);
    let archive_is_in_step = steps.is_empty();
    steps.extend(routine_steps(rule, table, live, scheduler, setting)?);
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
    let definition = Digest::of(rule);
    let after = Object::Retention(Box::new(rule.clone()));
    let manage = Record::Manage {
        address: rule.address(),
        declared: declared.digest.clone(),
        definition,
        declaration: after.clone(),
    };
    let size = RelationSize {
        name: rule.table.clone(),
        bytes: u64::try_from(table.bytes).unwrap_or_default(),
        rows: table.rows.and_then(|rows| u64::try_from(rows).ok()),
    };
    Ok(Some(PlannedChange {
        address: rule.address(),
        action,
        reason,
        before: in_force.map(|before| Object::Retention(Box::new(before.clone()))),
        after: Some(after),
        prior: Prior { managed: in_force.is_some(), valid: in_force.is_some(), hangs: Vec::new() },
        relies_on: relies_on(rule, live, setting),
        tree: rule.table.clone(),
        hazards,
        relation: size,
        estimate: live.retention.estimates.get(&rule.table).cloned(),
        steps,
        records: vec![manage],
    }))
}

fn undeclared_rule(
    address: Address,
    rule: &Rule,
    live: &Live,
    release: &Release,
    setting: Setting<'_>,
) -> PlannedChange {
    // Nothing happens to any row either way: a routine of a rule that is not in force does nothing.
    let (action, reason, steps) = if let Some(reason) = release.get(&address) {
        (Action::Forget, reason.clone(), Vec::new())
    } else {
        let steps = surplus(rule, live, &[], setting);
        (Action::Drop, "it is no longer declared; its rows stay from now on".to_owned(), steps)
    };
    PlannedChange {
        action,
        reason,
        before: Some(Object::Retention(Box::new(rule.clone()))),
        after: None,
        prior: Prior { managed: true, valid: true, hangs: Vec::new() },
        relies_on: relies_on(rule, live, setting),
        tree: rule.table.clone(),
        hazards: HazardSet::new(),
        relation: RelationSize { name: rule.table.clone(), bytes: 0, rows: None },
        estimate: None,
        steps,
        records: vec![Record::Forget { address: address.clone() }],
        address,
    }
}

/// Of the tables as they are, but for their sizes.
fn relies_on(rule: &Rule, live: &Live, setting: Setting<'_>) -> Digest {
    let tables = rule.tables().into_iter().filter_map(|name| live.retention.tables.get(name));
    let facts: Vec<_> = tables.map(|table| (table.oid, &table.columns, &table.references)).collect();
    let bodies = routine_names(rule, setting)
        .map(|name| live.retention.routines.get(&name.name).map(|found| found.body.clone()));
    Digest::of(&(live.registry.rules.get(&rule.table), facts, bodies))
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
fn routine_steps(
    rule: &Rule,
    table: &Table,
    live: &Live,
    scheduler: Option<Scheduler>,
    setting: Setting<'_>,
) -> Result<Vec<Step>, Refused> {
    let own = rule.tables().into_iter().filter_map(|name| live.retention.tables.get_key_value(name));
    let mut tables: BTreeMap<_, _> = own.map(|(name, table)| (name.clone(), table.clone())).collect();
    if let Some(to) = rule.archive() {
        tables.insert(to.clone(), table.archived(to, tables.get(to)));
    }
    let scene = rule.assembled(&tables)?;
    let mut wanted = vec![preview(rule, &scene, setting.session)];
    if scheduler == Some(Scheduler::PgCron) && rule.schedule.is_some() {
        wanted.extend(procedure(rule, &scene, setting.session, setting.limits));
    }
    let missing = wanted.iter().filter(|routine| !routine.is(live.retention.routines.get(&routine.name().name)));
    let mut steps: Vec<_> = missing.map(|routine| routine.step(setting.limits)).collect();
    steps.extend(surplus(rule, live, &wanted, setting));
    Ok(steps)
}

/// Takes away what stands for a rule in the database and is not wanted.
fn surplus(rule: &Rule, live: &Live, wanted: &[Routine], setting: Setting<'_>) -> Vec<Step> {
    let names = routine_names(rule, setting);
    let unwanted = names.iter().filter(|name| !wanted.iter().any(|routine| routine.name() == *name));
    let found = unwanted.filter_map(|name| Some((name, live.retention.routines.get(&name.name)?)));
    found.map(|(name, found)| Step::brief(routine::drop(name, found.kind), None, setting.limits)).collect()
}

fn routine_names(rule: &Rule, setting: Setting<'_>) -> [QualifiedName; 2] {
    let registry = &setting.session.registry_schema;
    [procedure_name(&rule.table, registry), preview_name(&rule.table, registry)]
}

/// A schedule that nothing in the database keeps.
fn unscheduled(rule: &Rule, scheduler: Option<Scheduler>) -> Option<Note> {
    let schedule = rule.schedule.as_ref().filter(|_| scheduler != Some(Scheduler::PgCron))?;
    let text = format!("nothing in the database runs it at `{schedule}`: have `reconcile retain` called then");
    Some(Note::new(rule.address(), text))
}

/// What makes the archive take every row of the table.
fn archive_steps(rule: &Rule, table: &Table, live: &Live, limits: TimeLimits) -> Vec<Step> {
    let Some(to) = rule.archive() else { return Vec::new() };
    let Some(archive) = live.retention.tables.get(to) else {
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

/// How much a rule would let go, from the planner's figures.
#[must_use]
pub fn estimate(rule: &Rule, rows: u64, width: u64, before: Option<u64>, oldest: Option<String>) -> Estimate {
    let batches = rows.div_ceil(u64::from(rule.batch.rows).max(1));
    Estimate { rows, bytes: rows.saturating_mul(width), before, batches, oldest }
}
