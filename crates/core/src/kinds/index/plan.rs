//! The plan of all indexes: decides relation by relation, orders the decisions, and turns them into changes.

use std::{cmp::Ordering, collections::BTreeSet};

use super::{
    DesiredRelation, Index, Indexes, View,
    change::{exchange_names, planned, renewed},
    check,
    claims::Claims,
    decide::{self, Change, Decision, Decisions, Doomed},
    managed,
};
use crate::{
    change::Record,
    kind::{Context, Kind as _, Part, Projection, Stage},
    postgres::name::QualifiedName,
    registry::Registry,
};

pub(super) fn plan(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Part<Index> {
    let scope = context.scope;
    let mut decisions = decided(context, view, ahead);
    decide::check_part_names(&mut decisions, view);
    if !decisions.problems.is_empty() {
        return Part { problems: decisions.problems, ..Part::default() };
    }
    decisions.changes.retain(|change| scope.admits(&change.address));
    decisions.notes.retain(|note| note.is_admitted(scope));
    decide::release(&mut decisions, context, view);
    decide::spare(&mut decisions, context);
    decide::note_lost_parts(&mut decisions, view.live);
    decisions.changes.sort_by(|a, b| rank(&a.what).cmp(&rank(&b.what)).then_with(|| in_rank(a, b)));
    let exchange = exchange_names(&decisions.changes);
    let mut claims = Claims::new(&decisions.changes);
    // Everything that takes an index of a partition in comes before the first drop.
    let first_drop = decisions.changes.partition_point(|change| rank(&change.what) < DROP);
    let removals = decisions.changes.split_off(first_drop);
    let mut changes: Vec<_> = decisions
        .changes
        .iter()
        .map(|change| (Stage::Objects, planned(change, context, view, &exchange, &mut claims)))
        .collect();
    let removals = decide::keep_parts(removals, &claims, context.registry, &mut decisions.notes);
    changes
        .extend(removals.iter().map(|change| (Stage::Objects, planned(change, context, view, &exchange, &mut claims))));
    decisions.notes.sort_by(|a, b| a.address.cmp(&b.address));
    let outdated = decisions.outdated.iter().filter(|(declared, _)| scope.admits(&declared.object.address()));
    let protections = protections(&decisions, context, view, ahead);
    Part {
        changes,
        records: outdated.map(|(declared, live)| renewed(declared, live)).chain(protections).collect(),
        notes: decisions.notes,
        left_alone: decisions.left_alone,
        ..Part::default()
    }
}

/// Decides about all relations, except those whose own change decides about their indexes.
fn decided<'a>(context: Context<'a>, view: View<'a>, ahead: &Projection) -> Decisions<'a> {
    let mut all = Decisions::default();
    let mut doomed = Doomed::default();
    for (name, desired) in relations(context.registry, view, ahead) {
        let decisions = of_relation(name, desired, context, view, &doomed);
        doomed.add(&decisions.changes, context.scope, view.live);
        all.add(decisions);
    }
    all.notes.extend(check::notes_on_gone(context, view, ahead));
    all
}

/// The relations to decide about, each before its partitions: what happens to an index happens to its parts.
fn relations<'a>(
    registry: &'a Registry,
    view: View<'a>,
    ahead: &Projection,
) -> Vec<(&'a QualifiedName, Option<&'a DesiredRelation>)> {
    let declared = view.desired.iter().map(|relation| (&relation.name, Some(relation)));
    let elsewhere = managed_elsewhere(registry, view).into_iter().map(|table| (table, None));
    let mut all: Vec<_> = declared.chain(elsewhere).filter(|(name, _)| !ahead.takes_indexes_along(name)).collect();
    all.sort_by_cached_key(|(name, _)| view.live.depth(name));
    all
}

fn of_relation<'a>(
    name: &'a QualifiedName,
    desired: Option<&'a DesiredRelation>,
    context: Context<'a>,
    view: View<'a>,
    doomed: &Doomed<'a>,
) -> Decisions<'a> {
    let live = view.live.relations.get(name);
    match (desired, live) {
        (Some(desired), _) if check::is_gone(desired, view.live) => gone(name, context.registry),
        (Some(desired), _) => match check::relation(desired, view.live, context.vocabulary) {
            Ok(found) => decide::decide(Some(desired), found, context, view, doomed),
            Err(problem) => Decisions { problems: vec![problem], ..Decisions::default() },
        },
        (None, Some(found)) => decide::decide(None, found, context, view, doomed),
        (None, None) => gone(name, context.registry),
    }
}

/// The records of managed indexes of which nothing else is recorded, and whose protection has changed.
fn protections(decisions: &Decisions<'_>, context: Context<'_>, view: View<'_>, ahead: &Projection) -> Vec<Record> {
    let recorded: BTreeSet<_> = decisions.changes.iter().map(|change| &change.address).collect();
    let renewed: BTreeSet<_> = decisions.outdated.iter().map(|(declared, _)| declared.object.address()).collect();
    let relations = view.desired.iter().filter(|relation| !ahead.takes_indexes_along(&relation.name));
    let changed = relations.flat_map(|relation| &relation.indexes).filter_map(|declared| {
        let (address, protect) = (declared.object.address(), declared.protect);
        let entry = context.registry.managed.get(&address)?;
        let recorded = recorded.contains(&address) || renewed.contains(&address);
        let admitted = context.scope.admits(&address) && context.scope.released(&address).is_none();
        (entry.protect != protect && !recorded && admitted).then_some(Record::Protect { address, protect })
    });
    changed.collect()
}

/// Relations that have managed indexes and are not declared any more.
fn managed_elsewhere<'a>(registry: &'a Registry, view: View<'_>) -> BTreeSet<&'a QualifiedName> {
    let indexes = registry.managed.keys().filter(|address| *address.kind() == Indexes::NAME);
    indexes.map(crate::address::Address::relation).filter(|table| view.desired(table).is_none()).collect()
}

/// The relation does not exist any more, and neither do its indexes.
fn gone<'a>(table: &'a QualifiedName, registry: &'a Registry) -> Decisions<'a> {
    let changes = managed(registry, table).map(|(address, _)| Change {
        address: address.clone(),
        relation: None,
        reason: "its table does not exist any more".to_owned(),
        what: Decision::Forget(None),
        leftovers: Vec::new(),
    });
    Decisions { changes: changes.collect(), ..Decisions::default() }
}

/// Orders by address. Renames keep the order in which they were found: each frees the name that the next one takes.
fn in_rank(a: &Change<'_>, b: &Change<'_>) -> Ordering {
    match (&a.what, &b.what) {
        (Decision::Rename(..), Decision::Rename(..)) => Ordering::Equal,
        _ => a.address.cmp(&b.address),
    }
}

/// The rank of a drop.
const DROP: u8 = 7;

/// The order of execution: first what frees a name, and what adds before what removes.
fn rank(what: &Decision<'_>) -> u8 {
    match what {
        Decision::Exchange(..) => 0,
        Decision::Rename(..) => 1,
        Decision::CleanUp(..) | Decision::Rebuild(..) | Decision::Complete(..) => 2,
        Decision::Create(_) => 3,
        Decision::Replace(..) => 4,
        Decision::Alter(..) => 5,
        Decision::Adopt(..) => 6,
        Decision::Drop(_) => DROP,
        Decision::Forget(_) => 8,
    }
}
