//! Turns a decision into a change of the plan: its statements, the facts it relies on, its records for the registry.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    Carrier, Index, IndexState, Live, LiveIndex, View,
    claims::Claims,
    decide::{Change, Decision, Wanted, named_by_others},
    steps::Steps,
};
use crate::{
    change::{Action, Change as Planned, Impact, Prior, Record},
    declared::Declared,
    digest::Digest,
    hazard::{Hazard, HazardSet},
    kind::Context,
    postgres::{
        name::{Ident, QualifiedName},
        relation::{Column, Generation},
        tokens::tokens,
    },
    registry::Registry,
};

/// Indexes that exchange their names.
pub(super) type Exchange<'a> = Vec<(&'a LiveIndex, &'a Index, &'a Carrier)>;

/// All exchanges of names. The first change among them has the steps for all.
pub(super) fn exchange_names<'a>(changes: &[Change<'a>]) -> Exchange<'a> {
    changes
        .iter()
        .filter_map(|change| match (&change.what, change.relation) {
            (Decision::Exchange(wanted, live, _), Some(relation)) => Some((*live, &wanted.declared.object, relation)),
            _ => None,
        })
        .collect()
}

/// Makes the change of a decision.
pub(super) fn planned<'a>(
    change: &Change<'a>,
    context: Context<'_>,
    view: View<'a>,
    exchange: &Exchange<'_>,
    claims: &mut Claims,
) -> Planned<Index> {
    let live = view.live;
    let (action, before, wanted) = sides(&change.what);
    let mut steps = Steps::new(live, context.limits, wanted.map(|wanted| wanted.definition), claims);
    if let Some(relation) = change.relation {
        for leftover in &change.leftovers {
            steps.drop(leftover, relation, HazardSet::new());
        }
        write_steps(&mut steps, change, relation, exchange);
    }
    let (steps, taken_in) = steps.finish();
    let name = change.address.relation();
    // One that was managed has a change of its own.
    let strangers = taken_in.into_iter().filter(|live| !context.registry.manages(&live.index.address()));
    let impact = change.relation.map(|relation| Impact::of(name, relation.bytes, relation.rows));
    Planned {
        address: change.address.clone(),
        action,
        reason: change.reason.clone(),
        before: before.map(|live| live.index.clone()),
        after: wanted.map(|wanted| wanted.declared.object.clone()),
        takes_in: strangers.map(|live| live.index.clone()).collect(),
        prior: prior(change, before, context.registry, live),
        relies_on: relies_on(change, live),
        lane: change.relation.map_or(name, |relation| live.top(relation)).clone(),
        hazards: steps.iter().flat_map(|step| step.hazards.iter().copied()).collect(),
        impact: impact.unwrap_or_else(|| Impact::unknown(name)),
        records: records(change, before, wanted),
        steps,
    }
}

/// The registry's record for an index that is as declared, but has an outdated entry.
pub(super) fn renewed(declared: &Declared<Index>, live: &LiveIndex) -> Record {
    managed(declared, Digest::of(&live.index.definition))
}

/// The registry's record for a declared index.
pub(in crate::kinds) fn managed(declared: &Declared<Index>, definition: Digest) -> Record {
    /// What is applied is the index, and whether it is protected.
    #[derive(Serialize)]
    struct Applied<'a> {
        #[serde(flatten)]
        index: &'a Index,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        protect: bool,
    }
    let applied = Applied { index: &declared.object, protect: declared.protect };
    Record::manage(declared.object.address(), &declared.digest, definition, &applied)
}

fn write_steps<'a>(steps: &mut Steps<'_, 'a>, change: &Change<'a>, relation: &'a Carrier, exchange: &Exchange<'_>) {
    match &change.what {
        Decision::Create(wanted) => steps.create(&wanted.declared.object, relation),
        Decision::Alter(_, live, alterations) => steps.alter(&live.index, alterations),
        Decision::Replace(wanted, live, ready) => {
            steps.replace(&wanted.declared.object, live, relation, ready.map(|ready| &ready.index.name));
        }
        Decision::Rename(wanted, live, alterations) => {
            let name = &wanted.declared.object.name;
            steps.rename(live, name, relation);
            steps.alter(&Index { name: name.clone(), ..live.index.clone() }, alterations);
        }
        Decision::Exchange(wanted, live, alterations) => {
            if exchange.first().is_some_and(|(first, ..)| first.oid == live.oid) {
                steps.exchange(exchange);
            }
            steps.alter(&Index { name: wanted.declared.object.name.clone(), ..live.index.clone() }, alterations);
        }
        Decision::Rebuild(wanted, live) => {
            steps.drop(live, relation, HazardSet::new());
            steps.create(&wanted.declared.object, relation);
        }
        Decision::Complete(wanted, live) => steps.complete(&wanted.declared.object, live, relation),
        Decision::Drop(live) if live.state == IndexState::Valid => {
            steps.drop(live, relation, HazardSet::from([Hazard::IndexDrop]));
        }
        Decision::Drop(live) => steps.drop(live, relation, HazardSet::new()),
        Decision::Adopt(..) | Decision::CleanUp(..) | Decision::Forget(_) => {}
    }
}

/// The action, the index before it, and the index after it.
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
    let renamed = before.filter(|live| live.index.name != wanted.declared.object.name);
    let forget = renamed.map(|live| Record::Forget { address: live.index.address() });
    let manage = managed(wanted.declared, Digest::of(wanted.definition));
    // In an exchange, the old name is the address of another change. That entry must not be removed.
    let forget = forget.filter(|_| !matches!(change.what, Decision::Exchange(..)));
    forget.into_iter().chain([manage]).collect()
}

fn prior(change: &Change<'_>, before: Option<&LiveIndex>, registry: &Registry, live: &Live) -> Prior {
    let managed = match before {
        Some(live) => registry.manages(&live.index.address()) || registry.object(&change.address) == Some(live.oid),
        None => registry.manages(&change.address),
    };
    Prior {
        managed,
        valid: before.is_some_and(|live| live.state == IndexState::Valid),
        hangs: if let Decision::Drop(index) = change.what { hangs(index, change.relation, live) } else { Vec::new() },
    }
}

/// What is dropped with an index and does not belong to its definition.
fn hangs(index: &LiveIndex, relation: Option<&Carrier>, live: &Live) -> Vec<String> {
    let parts = relation.into_iter().flat_map(|relation| named_by_others(index, relation, live));
    let parts =
        parts.map(|(partition, part)| format!("the name `{}` of its part on {}", part.index.name, partition.name));
    index.beyond_declaration().into_iter().chain(parts).collect()
}

fn relies_on(change: &Change<'_>, live: &Live) -> Digest {
    #[derive(Serialize)]
    struct Facts<'a> {
        relation: Option<(u32, Vec<(&'a QualifiedName, u32)>)>,
        before: Option<&'a LiveIndex>,
        leftovers: &'a [&'a LiveIndex],
        #[serde(skip_serializing_if = "Vec::is_empty")]
        columns: Vec<Used<'a>>,
    }
    let (_, before, wanted) = sides(&change.what);
    Digest::of(&Facts {
        relation: change.relation.map(|relation| (relation.oid, partitions(relation, live))),
        before,
        leftovers: &change.leftovers,
        columns: change.relation.zip(wanted).map(|(relation, wanted)| used(relation, wanted)).unwrap_or_default(),
    })
}

/// What an index relies on of a column.
#[derive(Serialize)]
struct Used<'a> {
    name: &'a Ident,
    type_name: &'a str,
    collation: Option<&'a QualifiedName>,
    generation: Option<&'a Generation>,
}

/// The columns that an index uses, also in its SQL. SQL that names the relation may use all of them. The list is empty if
/// columns were not read, because the index stays as it is.
fn used<'a>(relation: &'a Carrier, wanted: Wanted<'_>) -> Vec<Used<'a>> {
    let definition = &wanted.declared.object.definition;
    let named: BTreeSet<_> = definition.named_columns().map(|(_, column)| column).collect();
    let words: Vec<_> = definition.fragments().flat_map(|(_, fragment)| tokens(fragment.as_str())).collect();
    let mentioned = |name: &Ident| words.iter().any(|word| word.is(name));
    let whole = mentioned(&relation.name.name);
    let is_used = |column: &&Column| whole || named.contains(&column.name) || mentioned(&column.name);
    let fact = |column: &'a Column| Used {
        name: &column.name,
        type_name: &column.type_name,
        collation: column.collation.as_ref(),
        generation: column.generation.as_ref(),
    };
    relation.columns.iter().filter(is_used).map(fact).collect()
}

fn partitions<'a>(relation: &'a Carrier, live: &'a Live) -> Vec<(&'a QualifiedName, u32)> {
    live.below(relation).iter().map(|part| (&part.name, part.oid)).collect()
}
