//! The plan of all indexes: decides relation by relation, orders the decisions, and turns them into changes.

use std::{cmp::Ordering, collections::BTreeSet};

use super::{
    Index, Indexes, View,
    change::{exchange_names, planned, renewed},
    check, decide,
    decide::{Change, Decision, Decisions},
    managed,
};
use crate::{
    kind::{Context, Kind as _, Part, Projection, Stage},
    postgres::name::QualifiedName,
    registry::Registry,
};

pub(super) fn plan(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Part<Index> {
    let scope = context.scope;
    let mut decisions = decided(context, view, ahead);
    if !decisions.problems.is_empty() {
        return Part { problems: decisions.problems, ..Part::default() };
    }
    decisions.changes.retain(|change| scope.admits(&change.address));
    decisions.notes.retain(|note| note.is_admitted(scope));
    decide::release(&mut decisions, context, view);
    decide::spare(&mut decisions, context);
    decisions.changes.sort_by(|a, b| rank(&a.what).cmp(&rank(&b.what)).then_with(|| in_rank(a, b)));
    decisions.notes.sort_by(|a, b| a.address.cmp(&b.address));
    let exchange = exchange_names(&decisions.changes);
    let changes = decisions.changes.iter().map(|change| (Stage::Objects, planned(change, context, view, &exchange)));
    let outdated = decisions.outdated.iter().filter(|(declared, _)| scope.admits(&declared.object.address()));
    Part {
        changes: changes.collect(),
        records: outdated.map(|(declared, live)| renewed(declared, live)).collect(),
        notes: decisions.notes,
        left_alone: decisions.left_alone,
        ..Part::default()
    }
}

/// Decides about all relations, except those whose own change decides about their indexes.
fn decided<'a>(context: Context<'a>, view: View<'a>, ahead: &Projection) -> Decisions<'a> {
    let mut all = Decisions::default();
    let mut add = |decisions: Decisions<'a>| {
        all.changes.extend(decisions.changes);
        all.outdated.extend(decisions.outdated);
        all.notes.extend(decisions.notes);
        all.left_alone += decisions.left_alone;
        all.problems.extend(decisions.problems);
    };
    for relation in view.desired.iter().filter(|relation| !ahead.takes_indexes_along(&relation.name)) {
        if check::is_gone(relation, view.live) {
            add(gone(&relation.name, context.registry));
            continue;
        }
        match check::relation(relation, view.live, context.vocabulary) {
            Ok(found) => add(decide::decide(Some(relation), found, context, view)),
            Err(problem) => add(Decisions { problems: vec![problem], ..Decisions::default() }),
        }
    }
    add(Decisions { notes: check::notes_on_gone(context, view, ahead), ..Decisions::default() });
    let elsewhere = managed_elsewhere(context.registry, view);
    for table in elsewhere.into_iter().filter(|table| !ahead.takes_indexes_along(table)) {
        match view.live.relations.get(table) {
            Some(found) => add(decide::decide(None, found, context, view)),
            None => add(gone(table, context.registry)),
        }
    }
    all
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
        Decision::Drop(_) => 7,
        Decision::Forget(_) => 8,
    }
}
