//! Objects that are not reconcile's own once a plan is done: struck from the registry, and left standing.

use std::collections::BTreeMap;

use crate::{
    address::Address,
    kinds::index::decide::{Change, Decisions, What},
    live::Live,
    plan::{PlannedChange, Record},
};

/// The objects, each with the reason that a reader of the plan is given.
pub type Release = BTreeMap<Address, String>;

/// Turns what would be dropped or adopted into what is only struck from the registry.
pub(super) fn decide<'a>(decisions: &mut Decisions<'a>, live: &'a Live, release: &Release) {
    decisions.changes.retain(|change| match change.what {
        What::Drop(_) | What::Adopt(..) | What::Forget => !release.contains_key(&change.address),
        What::Create(_)
        | What::Alter(..)
        | What::Replace(..)
        | What::Rename(..)
        | What::Exchange(..)
        | What::Rebuild(..)
        | What::Complete(..)
        | What::CleanUp(..) => true,
    });
    for (address, reason) in release {
        let decided = decisions.changes.iter().any(|change| change.address == *address);
        if !decided && live.registry.managed.contains_key(address) {
            decisions.changes.push(Change {
                address: address.clone(),
                relation: live.relations.get(address.table()),
                reason: reason.clone(),
                what: What::Forget,
                leftovers: Vec::new(),
            });
        }
    }
}

/// What the registry is told: nothing that is released is managed in the end.
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
