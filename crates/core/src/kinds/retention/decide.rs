//! What happens to the rules that are in force: the registry takes note of them, and the archive is kept in step.

use super::{
    Rule, check,
    facts::{Estimate, Table},
};
use crate::{
    address::Address,
    desired::{DeclaredRule, Desired},
    digest::Digest,
    hazard::{Hazard, HazardSet},
    kinds::Object,
    live::Live,
    lock::Lock,
    name::{Ident, QualifiedName},
    plan::{Action, Note, PlannedChange, Prior, Record, RelationSize, Step, TimeLimits},
    problem::Problem,
    scope::{Filter, Release},
    sql::Sql,
};

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
pub fn decide(desired: &Desired, live: &Live, filter: &Filter, release: &Release, limits: TimeLimits) -> Decisions {
    let mut out = Decisions::default();
    for declared in desired.rules.iter().filter(|declared| filter.admits(&declared.rule.address())) {
        let findings = check::rule(declared, &live.retention.tables, &live.vocabulary.relations);
        out.problems.extend(findings.problems);
        if let Some(change) = declared_rule(declared, live, limits) {
            out.changes.push(change);
            out.notes.extend(findings.notes);
        }
    }
    for (table, rule) in &live.registry.rules {
        let address = Address::retention(table);
        let declared = desired.rules.iter().any(|declared| declared.rule.table == *table);
        if !declared && filter.admits(&address) {
            out.changes.push(undeclared_rule(address, rule, live, release));
        }
    }
    out
}

fn declared_rule(declared: &DeclaredRule, live: &Live, limits: TimeLimits) -> Option<PlannedChange> {
    let rule = &declared.rule;
    let table = live.retention.tables.get(&rule.table)?;
    let in_force = live.registry.rules.get(&rule.table);
    let steps = archive_steps(rule, table, live, limits);
    let (action, reason) = match in_force {
        None => (Action::Create, "no such rule is in force".to_owned()),
        Some(before) if before != rule => (Action::Update, differences(before, rule)),
        Some(_) if !steps.is_empty() => (Action::Update, "its archive is not as the table is".to_owned()),
        Some(_) => return None,
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
    Some(PlannedChange {
        address: rule.address(),
        action,
        reason,
        before: in_force.map(|before| Object::Retention(Box::new(before.clone()))),
        after: Some(after),
        prior: Prior { managed: in_force.is_some(), valid: in_force.is_some(), hangs: Vec::new() },
        relies_on: relies_on(rule, live),
        tree: rule.table.clone(),
        hazards,
        relation: size,
        estimate: live.retention.estimates.get(&rule.table).cloned(),
        steps,
        records: vec![manage],
    })
}

fn undeclared_rule(address: Address, rule: &Rule, live: &Live, release: &Release) -> PlannedChange {
    // Nothing happens to any row either way.
    let (action, reason) = match release.get(&address) {
        Some(reason) => (Action::Forget, reason.clone()),
        None => (Action::Drop, "it is no longer declared; its rows stay from now on".to_owned()),
    };
    PlannedChange {
        action,
        reason,
        before: Some(Object::Retention(Box::new(rule.clone()))),
        after: None,
        prior: Prior { managed: true, valid: true, hangs: Vec::new() },
        relies_on: relies_on(rule, live),
        tree: rule.table.clone(),
        hazards: HazardSet::new(),
        relation: RelationSize { name: rule.table.clone(), bytes: 0, rows: None },
        estimate: None,
        steps: Vec::new(),
        records: vec![Record::Forget { address: address.clone() }],
        address,
    }
}

/// Of the tables as they are, but for their sizes.
fn relies_on(rule: &Rule, live: &Live) -> Digest {
    let tables = rule.tables().into_iter().filter_map(|name| live.retention.tables.get(name));
    let facts: Vec<_> = tables.map(|table| (table.oid, &table.columns, &table.references)).collect();
    Digest::of(&(live.registry.rules.get(&rule.table), facts))
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
        || limit(before.limits.max_rows, after.limits.max_rows)
        || fraction(after.limits.max_fraction) > fraction(before.limits.max_fraction)
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
        let sql = alter().raw(" ADD COLUMN ").ident(&column.name).raw(" ").server_type(&column.type_name);
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
