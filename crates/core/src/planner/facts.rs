//! The live facts behind a plan: what it relies on, and what was so before.

use serde::Serialize;

use super::sides;
use crate::{
    digest::Digest,
    kinds::index::decide::{Change, Decision},
    live::{IndexState, Live, LiveIndex, Relation},
    plan::{Note, PlannedChange, Prior},
    postgres::name::QualifiedName,
};

pub(super) fn prior(change: &Change<'_>, before: Option<&LiveIndex>, live: &Live, taken_in: &[QualifiedName]) -> Prior {
    let address = before.map_or_else(|| change.address.clone(), |live| live.index.address());
    Prior {
        managed: live.registry.managed.contains_key(&address),
        valid: before.is_some_and(|live| live.state == IndexState::Valid),
        hangs: if let Decision::Drop(live) = change.what { hangs(live) } else { parts(taken_in) },
    }
}

/// An index that has become a part goes with the whole.
fn parts(taken_in: &[QualifiedName]) -> Vec<String> {
    taken_in.iter().map(|part| format!("the index {part} by itself, which has become a part of it")).collect()
}

/// Decision goes with an index and is not part of it.
fn hangs(live: &LiveIndex) -> Vec<String> {
    let statistics = (!live.statistics.is_empty()).then_some("the statistics targets of its expressions");
    let clustered = live.clustered.then_some("CLUSTER ON of its table");
    statistics.into_iter().chain(clustered).map(str::to_owned).collect()
}

/// Of every live fact that the changes rely on, and of nothing else.
pub(super) fn fingerprint(changes: &[PlannedChange], notes: &[Note], live: &Live) -> Digest {
    let facts: Vec<_> = changes.iter().map(|change| (&change.address, &change.relies_on)).collect();
    let notes: Vec<_> = notes.iter().filter(|note| !note.of_role).collect();
    Digest::of(&(&live.database.system_identifier, &live.database.name, facts, notes))
}

pub(super) fn relies_on(change: &Change<'_>, live: &Live) -> Digest {
    #[derive(Serialize)]
    struct Facts<'a> {
        relation: Option<(u32, Vec<(&'a QualifiedName, u32)>)>,
        before: Option<&'a LiveIndex>,
        leftovers: &'a [&'a LiveIndex],
    }
    Digest::of(&Facts {
        relation: change.relation.map(|relation| (relation.oid, partitions(relation, live))),
        before: sides(&change.what).1,
        leftovers: &change.leftovers,
    })
}

fn partitions<'a>(relation: &'a Relation, live: &'a Live) -> Vec<(&'a QualifiedName, u32)> {
    let below = relation.partitions.iter().filter_map(|name| live.relations.get(name));
    below.flat_map(|part| std::iter::once((&part.name, part.oid)).chain(partitions(part, live))).collect()
}

/// The top of the partition tree.
pub(super) fn tree<'a>(relation: &'a Relation, live: &'a Live) -> &'a QualifiedName {
    match &relation.parent {
        Some(parent) => live.relations.get(parent).map_or(parent, |parent| tree(parent, live)),
        None => &relation.name,
    }
}
