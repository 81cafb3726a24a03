//! Objects that reconcile no longer manages once a plan is done.

use crate::{
    plan::{PlannedChange, Record},
    scope::Release,
};

/// Removes the records that would manage a released object.
pub(super) fn strike(change: &mut PlannedChange, release: &Release) {
    let released = |record: &Record| match record {
        Record::Manage(entry) => release.contains_key(&entry.address),
        Record::Protect { address, .. } => release.contains_key(address),
        Record::Forget { .. } => false,
    };
    if change.records.iter().any(released) {
        change.records.retain(|record| !released(record));
        change.records.push(Record::Forget { address: change.address.clone() });
    }
}
