//! The names of parts that a plan builds on partitions: no other index of the partition may have one of them.

use super::{Change, Decision, Decisions, Wanted};
use crate::{
    change::Note,
    kinds::index::{Carrier, IndexState, Live, LiveIndex, View, canonical, names::partition_index_name},
    postgres::{name::Ident, relation::RelationKind},
    problem::Problem,
};

/// Adds a problem for each declared index whose part cannot get its name.
pub(in crate::kinds::index) fn check_part_names(decisions: &mut Decisions<'_>, view: View<'_>) {
    let Decisions { changes, problems, .. } = decisions;
    problems.extend(changes.iter().filter_map(|change| {
        let (wanted, old) = built(change)?;
        let relation = change.relation.filter(|relation| relation.is_partitioned())?;
        taken(wanted, &wanted.declared.object.name, old, relation, view)
    }));
}

/// Notes which parts go with an index, as far as their names do not say so.
pub(in crate::kinds::index) fn note_lost_parts(decisions: &mut Decisions<'_>, live: &Live) {
    let Decisions { changes, notes, .. } = decisions;
    notes.extend(changes.iter().filter_map(|change| {
        let (Decision::Drop(index) | Decision::Replace(_, index, _)) = change.what else { return None };
        let lost = named_by_others(index, change.relation?, live);
        let names: Vec<_> = lost.iter().take(3).map(|(_, part)| part.index.relation().to_string()).collect();
        let more = match lost.len() {
            0 => return None,
            1..=3 => String::new(),
            all => format!(" and {} more", all - 3),
        };
        let text =
            format!("its parts are dropped with it, also those with names of their own: {}{more}", names.join(", "));
        Some(Note::new(change.address.clone(), text))
    }));
}

/// The parts of an index that have other names than reconcile gives. Somebody else may have made them.
pub(in crate::kinds::index) fn named_by_others<'a>(
    index: &LiveIndex,
    relation: &'a Carrier,
    live: &'a Live,
) -> Vec<(&'a Carrier, &'a LiveIndex)> {
    let direct = live.partitions(relation).filter_map(|partition| Some((partition, partition.part_of(index)?)));
    direct
        .flat_map(|(partition, part)| {
            let derived = part.index.name == partition_index_name(&index.index.name, &partition.name);
            let below = named_by_others(part, partition, live);
            (!derived).then_some((partition, part)).into_iter().chain(below)
        })
        .collect()
}

/// What a change builds, and the index that has its name until then.
fn built<'a>(change: &Change<'a>) -> Option<(Wanted<'a>, Option<&'a LiveIndex>)> {
    match change.what {
        Decision::Create(wanted) => Some((wanted, None)),
        Decision::Replace(wanted, old, None) | Decision::Rebuild(wanted, old) | Decision::Complete(wanted, old) => {
            Some((wanted, Some(old)))
        }
        Decision::Alter(..)
        | Decision::Replace(_, _, Some(_))
        | Decision::Rename(..)
        | Decision::Exchange(..)
        | Decision::Adopt(..)
        | Decision::CleanUp(..)
        | Decision::Drop(_)
        | Decision::Forget(_) => None,
    }
}

fn taken(
    wanted: Wanted<'_>,
    name: &Ident,
    old: Option<&LiveIndex>,
    relation: &Carrier,
    view: View<'_>,
) -> Option<Problem> {
    let partitions = view.live.partitions(relation).filter(|partition| partition.kind != RelationKind::Foreign);
    partitions.into_iter().find_map(|partition| {
        let part = partition_index_name(name, &partition.name);
        let old = old.and_then(|old| partition.part_of(old));
        let problem = |what: &str| {
            let message = format!("its part on `{}` would be called `{part}`, which is {what}", partition.name);
            Some(Problem::new(&wanted.declared.at, message).on_key().hint("rename one of the two"))
        };
        if is_declared_otherwise(wanted, &part, partition, view) {
            return problem("declared there with another definition");
        }
        let standing = partition.indexes.get(&part).filter(|live| old.is_none_or(|old| old.oid != live.oid));
        // An INVALID one is built again. One with the same definition becomes the part.
        let stays = |live: &&LiveIndex| {
            live.state == IndexState::Valid
                && (live.is_owned_elsewhere() || live.index.definition != *wanted.definition)
        };
        if standing.as_ref().is_some_and(stays) {
            return problem("the name of another index of it");
        }
        taken(wanted, &part, old, partition, view)
    })
}

fn is_declared_otherwise(wanted: Wanted<'_>, part: &Ident, partition: &Carrier, view: View<'_>) -> bool {
    let declared = view.desired(&partition.name).into_iter().flat_map(|desired| &desired.indexes);
    let mut alike = declared.filter(|declared| declared.object.name == *part);
    alike.any(|declared| {
        canonical::known(declared, partition, view.live).is_some_and(|definition| definition != wanted.definition)
    })
}
