//! Objects that are not reconcile's own once a plan is done: struck from the registry, and left standing.

use std::collections::BTreeSet;

use crate::{
    address::Address,
    kinds::index::decide::{Change, Decision, Decisions},
    live::{IndexState, Live},
    plan::{Note, PlannedChange, Record},
    scope::Release,
};

/// Turns what would be dropped or adopted into what is only struck from the registry.
pub(super) fn decide<'a>(decisions: &mut Decisions<'a>, live: &'a Live, release: &Release) {
    decisions.changes.retain(|change| match change.what {
        Decision::Drop(_) | Decision::Adopt(..) | Decision::Forget(_) => !release.contains_key(&change.address),
        Decision::Create(_)
        | Decision::Alter(..)
        | Decision::Replace(..)
        | Decision::Rename(..)
        | Decision::Exchange(..)
        | Decision::Rebuild(..)
        | Decision::Complete(..)
        | Decision::CleanUp(..) => true,
    });
    for (address, reason) in release {
        // Rules are decided about by themselves.
        let Address::Index { name, .. } = address else { continue };
        let decided = decisions.changes.iter().any(|change| change.address == *address);
        if !decided && live.registry.managed.contains_key(address) {
            let relation = live.relations.get(address.table());
            let standing = relation.and_then(|relation| relation.indexes.get(name));
            decisions.changes.push(Change {
                address: address.clone(),
                relation,
                reason: reason.clone(),
                what: Decision::Forget(standing),
                leftovers: Vec::new(),
            });
        }
    }
}

/// Leaves alone what stands where only a remnant was to be expected.
pub(super) fn spare(decisions: &mut Decisions<'_>, live: &Live, remnants: &BTreeSet<Address>) {
    let Decisions { changes, notes, .. } = decisions;
    changes.retain(|change| {
        let built_since = match change.what {
            Decision::Drop(found) => found.state != IndexState::Invalid,
            Decision::Create(_)
            | Decision::Alter(..)
            | Decision::Replace(..)
            | Decision::Rename(..)
            | Decision::Exchange(..)
            | Decision::Adopt(..)
            | Decision::Rebuild(..)
            | Decision::Complete(..)
            | Decision::CleanUp(..)
            | Decision::Forget(_) => false,
        };
        let address = &change.address;
        if !built_since || !remnants.contains(address) || live.registry.managed.contains_key(address) {
            return true;
        }
        notes.push(Note::new(address.clone(), "it was not built by the run: it stays".to_owned()));
        false
    });
}

/// Decision the registry is told: nothing that is released is managed in the end.
pub(super) fn strike(change: &mut PlannedChange, release: &Release) {
    let released = |record: &Record| match record {
        Record::Manage { address, .. } => release.contains_key(address),
        Record::Forget { .. } => false,
    };
    if change.records.iter().any(released) {
        change.records.retain(|record| !released(record));
        change.records.push(Record::Forget { address: change.address.clone() });
    }
}
