//! From declared and live to the plan: decides per relation, orders the changes, writes out their steps.

mod facts;
mod release;

use std::collections::BTreeSet;

use crate::{
    address::Address,
    desired::Desired,
    digest::Digest,
    hazard::HazardSet,
    kinds::{
        Object,
        index::{
            Index,
            canonical::Canonical,
            check,
            decide::{self, Change, Decision, Decisions, Wanted},
            steps::Steps,
        },
        matview, retention, schedule,
    },
    live::{IndexState, Live, LiveIndex, Relation},
    plan::{
        Action, FORMAT_VERSION, Plan, PlannedChange, Record, RelationSize, SessionSettings, Step, Summary, TimeLimits,
    },
    postgres::name::QualifiedName,
    problem::Problem,
    scope::{Bounds, Filter, Release},
};

/// Decision a plan needs besides the two sides.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// How long steps may wait.
    pub limits: TimeLimits,
    /// How the session of the steps is set up.
    pub session: SessionSettings,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Of this program.
    pub version: String,
    /// Plans only addresses for which this holds.
    pub filter: Filter,
    /// Decision is not managed in the end, and left standing.
    pub release: Release,
    /// Decision a build may have left INVALID: dropped as such, and left alone where somebody else has built it since.
    pub remnants: BTreeSet<Address>,
}

/// Plans what leads from the live to the desired state.
///
/// # Errors
/// Every mistake of the user's that only shows against the live side.
pub fn plan(desired: &Desired, live: &Live, canonical: &Canonical, options: PlanOptions) -> Result<Plan, Vec<Problem>> {
    let bounds = Bounds { filter: &options.filter, release: &options.release };
    let setting = retention::decide::Setting { limits: options.limits, session: &options.session };
    let mut rules = retention::decide::decide(desired, live, &options.filter, &options.release, setting);
    let mut jobs = schedule::decide::decide(desired, live, &options.filter, &options.release, setting);
    let mut views = matview::decide::decide(desired, live, canonical, bounds, setting);
    rules.problems.splice(0..0, std::mem::take(&mut views.problems));
    rules.problems.extend(jobs.problems);
    let mut decisions = match decide(desired, live, canonical, bounds, &views.with_indexes) {
        Ok(decisions) if rules.problems.is_empty() => decisions,
        Ok(_) => return Err(rules.problems),
        Err(problems) => {
            rules.problems.splice(0..0, problems);
            return Err(rules.problems);
        }
    };
    decisions.changes.retain(|change| options.filter.admits(&change.address));
    decisions.notes.retain(|note| options.filter.admits(&note.address));
    release::decide(&mut decisions, live, &options.release);
    release::spare(&mut decisions, live, &options.remnants);
    decisions.changes.sort_by(|a, b| rank(&a.what).cmp(&rank(&b.what)).then_with(|| in_rank(a, b)));
    decisions.notes.sort_by(|a, b| a.address.cmp(&b.address));
    let mut transactions = 0;
    let exchange = exchange_names(&decisions.changes);
    let planned =
        decisions.changes.iter().map(|change| planned(change, live, options.limits, &exchange, &mut transactions));
    let mut changes: Vec<_> = planned.collect();
    for change in &mut changes {
        release::strike(change, &options.release);
    }
    for change in &mut views.changes {
        number_transactions(&mut change.steps, &mut transactions);
        release::strike(change, &options.release);
    }
    // Jobs of views come in their turn.
    let turn = views.changes.first().map(|change| change.tree.clone());
    for job in jobs.changes.iter_mut().filter(|job| is_refresh(&job.address)) {
        job.tree = turn.clone().unwrap_or_else(|| job.tree.clone());
    }
    changes.append(&mut views.changes);
    // Decision calls goes before what is called, and comes after it.
    changes.extend(jobs.removals.into_iter().chain(rules.changes).chain(jobs.changes));
    decisions.notes.append(&mut views.notes);
    decisions.notes.extend(rules.notes.into_iter().chain(jobs.notes));
    let fingerprint = facts::fingerprint(&changes, &decisions.notes, live);
    let outdated = decisions.outdated.iter().filter(|(declared, _)| options.filter.admits(&declared.index.address()));
    let records = outdated.map(|(declared, live)| manage(&declared.index, &declared.digest, &live.index));
    let records = records.chain(views.records).collect();
    Ok(Plan {
        format_version: FORMAT_VERSION,
        reconcile_version: options.version,
        created_at: options.created_at,
        database: live.database.clone(),
        fingerprint,
        declared: desired.digest.clone(),
        summary: Summary::of(&changes),
        session: options.session,
        filter: options.filter.clone(),
        changes,
        records,
        notes: decisions.notes,
        left_alone: decisions.left_alone,
    })
}

fn is_refresh(address: &Address) -> bool {
    matches!(address, Address::Schedule { task: schedule::Task::Refresh, .. })
}

fn decide<'a>(
    desired: &'a Desired,
    live: &'a Live,
    canonical: &'a Canonical,
    bounds: Bounds<'a>,
    elsewhere: &BTreeSet<QualifiedName>,
) -> Result<Decisions<'a>, Vec<Problem>> {
    let mut all = Decisions::default();
    let mut add = |decisions: Decisions<'a>| {
        all.changes.extend(decisions.changes);
        all.outdated.extend(decisions.outdated);
        all.notes.extend(decisions.notes);
        all.left_alone += decisions.left_alone;
        all.problems.extend(decisions.problems);
    };
    for relation in desired.relations.iter().filter(|relation| !elsewhere.contains(&relation.name)) {
        match check::relation(relation, live) {
            Ok(found) => add(decide::decide(Some(relation), found, live, canonical, bounds)),
            Err(problem) => add(Decisions { problems: vec![problem], ..Decisions::default() }),
        }
    }
    for table in managed_elsewhere(desired, live).into_iter().filter(|table| !elsewhere.contains(*table)) {
        match live.relations.get(table) {
            Some(found) => add(decide::decide(None, found, live, canonical, bounds)),
            None => add(gone(table, live)),
        }
    }
    if all.problems.is_empty() { Ok(all) } else { Err(all.problems) }
}

/// Relations with managed objects of which nothing is declared any more.
fn managed_elsewhere<'a>(desired: &Desired, live: &'a Live) -> Vec<&'a QualifiedName> {
    let indexes = live.registry.managed.keys().filter(|address| matches!(address, Address::Index { .. }));
    let mut tables: Vec<_> = indexes.map(Address::table).collect();
    tables.dedup();
    tables.retain(|table| desired.relation(table).is_none());
    tables
}

/// The table was dropped, its indexes with it.
fn gone<'a>(table: &'a QualifiedName, live: &'a Live) -> Decisions<'a> {
    let changes = live.registry.indexes_of(table).map(|(address, _)| Change {
        address: address.clone(),
        relation: None,
        reason: "its table is gone".to_owned(),
        what: Decision::Forget(None),
        leftovers: Vec::new(),
    });
    Decisions { changes: changes.collect(), ..Decisions::default() }
}

/// By address; but renames in the order they were found, in which each frees the name that the next one takes.
fn in_rank(a: &Change<'_>, b: &Change<'_>) -> std::cmp::Ordering {
    match (&a.what, &b.what) {
        (Decision::Rename(..), Decision::Rename(..)) => std::cmp::Ordering::Equal,
        _ => a.address.cmp(&b.address),
    }
}

/// The order of execution: what frees a name first, what adds before what removes.
fn rank(what: &Decision<'_>) -> u8 {
    match what {
        Decision::Exchange(..) => 0,
        Decision::Rename(..) => 1,
        Decision::CleanUp(..) | Decision::Rebuild(..) | Decision::Complete(..) => 2,
        Decision::Create(_) => 3,
        Decision::Replace(..) => 4,
        Decision::Alter(..) => 5,
        Decision::Adopt(..) => 6,
        Decision::Drop(_) => 7,
        Decision::Forget(_) => 8,
    }
}

type Exchange<'a> = Vec<(&'a LiveIndex, &'a Index, &'a Relation)>;

/// All exchanges of names; the first change of them carries the steps of all.
fn exchange_names<'a>(changes: &[Change<'a>]) -> Exchange<'a> {
    changes
        .iter()
        .filter_map(|change| match (&change.what, change.relation) {
            (Decision::Exchange(wanted, live, _), Some(relation)) => Some((*live, &wanted.declared.index, relation)),
            _ => None,
        })
        .collect()
}

fn planned(
    change: &Change<'_>,
    live: &Live,
    limits: TimeLimits,
    exchange: &Exchange<'_>,
    transactions: &mut u32,
) -> PlannedChange {
    let canonical = sides(&change.what).2.map(|wanted| wanted.definition);
    let mut steps = Steps::new(live, limits, canonical);
    if let Some(relation) = change.relation {
        for leftover in &change.leftovers {
            steps.drop(leftover, relation, HazardSet::new());
        }
        write_steps(&mut steps, change, relation, exchange);
    }
    let (mut steps, taken_in) = steps.finish();
    number_transactions(&mut steps, transactions);
    let (action, before, wanted) = sides(&change.what);
    let name = change.address.table().clone();
    let size = |relation: &Relation| RelationSize { name: name.clone(), bytes: relation.bytes, rows: relation.rows };
    PlannedChange {
        address: change.address.clone(),
        action,
        reason: change.reason.clone(),
        before: before.map(|live| object(&live.index)),
        after: wanted.map(|wanted| object(&wanted.declared.index)),
        prior: facts::prior(change, before, live, &taken_in),
        relies_on: facts::relies_on(change, live),
        tree: change.relation.map_or(&name, |relation| facts::tree(relation, live)).clone(),
        hazards: steps.iter().flat_map(|step| step.hazards.iter().copied()).collect(),
        estimate: None,
        relation: change.relation.map_or(RelationSize { name: name.clone(), bytes: 0, rows: None }, size),
        records: records(change, before, wanted),
        steps,
    }
}

/// Gives the transactions of a change, which count from 0, numbers of their own in the plan.
fn number_transactions(steps: &mut [Step], transactions: &mut u32) {
    let before = *transactions;
    for step in steps {
        step.transaction = step.transaction.map(|number| before + 1 + number);
        *transactions = (*transactions).max(step.transaction.unwrap_or_default());
    }
}

fn write_steps(steps: &mut Steps<'_>, change: &Change<'_>, relation: &Relation, exchange: &Exchange<'_>) {
    match &change.what {
        Decision::Create(wanted) => steps.create(&wanted.declared.index, relation),
        Decision::Alter(_, live, alterations) => steps.alter(&live.index, alterations),
        Decision::Replace(wanted, live, ready) => {
            steps.replace(&wanted.declared.index, live, relation, ready.map(|ready| &ready.index.name));
        }
        Decision::Rename(wanted, live, alterations) => {
            let name = &wanted.declared.index.name;
            steps.rename(live, name, relation);
            steps.alter(&Index { name: name.clone(), ..live.index.clone() }, alterations);
        }
        Decision::Exchange(wanted, live, alterations) => {
            if exchange.first().is_some_and(|(first, ..)| first.oid == live.oid) {
                steps.exchange(exchange);
            }
            steps.alter(&Index { name: wanted.declared.index.name.clone(), ..live.index.clone() }, alterations);
        }
        Decision::Rebuild(wanted, live) => {
            steps.drop(live, relation, HazardSet::new());
            steps.create(&wanted.declared.index, relation);
        }
        Decision::Complete(wanted, live) => steps.complete(&wanted.declared.index, live, relation),
        Decision::Drop(live) if live.state == IndexState::Valid => {
            steps.drop(live, relation, HazardSet::from([crate::hazard::Hazard::IndexDrop]));
        }
        Decision::Drop(live) => steps.drop(live, relation, HazardSet::new()),
        Decision::Adopt(..) | Decision::CleanUp(..) | Decision::Forget(_) => {}
    }
}

/// The action, what is there before it, and what shall be there after it.
fn sides<'a>(what: &Decision<'a>) -> (Action, Option<&'a LiveIndex>, Option<Wanted<'a>>) {
    match what {
        Decision::Create(wanted) => (Action::Create, None, Some(*wanted)),
        Decision::Alter(wanted, live, _) => (Action::Update, Some(live), Some(*wanted)),
        Decision::Replace(wanted, live, _) => (Action::Replace, Some(live), Some(*wanted)),
        Decision::Rename(wanted, live, _) | Decision::Exchange(wanted, live, _) => {
            (Action::Rename, Some(live), Some(*wanted))
        }
        Decision::Adopt(wanted, live) => (Action::Adopt, Some(live), Some(*wanted)),
        Decision::Rebuild(wanted, live) | Decision::Complete(wanted, live) | Decision::CleanUp(wanted, live) => {
            (Action::Repair, Some(live), Some(*wanted))
        }
        Decision::Drop(live) => (Action::Drop, Some(live), None),
        Decision::Forget(live) => (Action::Forget, *live, None),
    }
}

fn records(change: &Change<'_>, before: Option<&LiveIndex>, wanted: Option<Wanted<'_>>) -> Vec<Record> {
    let Some(wanted) = wanted else { return vec![Record::Forget { address: change.address.clone() }] };
    let renamed = before.filter(|live| live.index.name != wanted.declared.index.name);
    let forget = renamed.map(|live| Record::Forget { address: live.index.address() });
    let manage = Record::Manage {
        address: change.address.clone(),
        declared: wanted.declared.digest.clone(),
        definition: Digest::of(wanted.definition),
        declaration: object(&wanted.declared.index),
    };
    // In an exchange the name that is given up is another change's address: that one must not be struck out.
    let forget = forget.filter(|_| !matches!(change.what, Decision::Exchange(..)));
    forget.into_iter().chain([manage]).collect()
}

fn manage(declared: &Index, digest: &Digest, live: &Index) -> Record {
    Record::Manage {
        address: declared.address(),
        declared: digest.clone(),
        definition: Digest::of(&live.definition),
        declaration: object(declared),
    }
}

fn object(index: &Index) -> Object {
    Object::Index(Box::new(index.clone()))
}
