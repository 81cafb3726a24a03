//! A partitioned index that is INVALID: what it lacks, and whether that can be added to it.

use super::super::{Carrier, IndexState, Live, LiveIndex};
use crate::postgres::relation::RelationKind;

/// Whether building, repairing and attaching parts makes the index valid. Where a partitioned table has no partitions,
/// PostgreSQL never looks at its index again.
pub(in crate::kinds::index) fn can_be_completed(index: &LiveIndex, relation: &Carrier, live: &Live) -> bool {
    let mut partitions = live.partitions(relation).peekable();
    partitions.peek().is_some()
        && partitions.all(|partition| match partition.part_of(index) {
            Some(part) if part.state != IndexState::Valid && partition.is_partitioned() => {
                can_be_completed(part, partition, live)
            }
            Some(_) => true,
            None => partition.kind != RelationKind::Foreign,
        })
}

/// Why the index is INVALID.
pub(super) fn reason(index: &LiveIndex, relation: &Carrier, live: &Live) -> &'static str {
    let (mut missing, mut invalid) = (false, false);
    look_through(index, relation, live, &mut |part| match part {
        Some(part) => invalid |= part.state != IndexState::Valid,
        None => missing = true,
    });
    match (missing, invalid) {
        (true, false) => "partitions are missing from it",
        (true, true) => "partitions are missing from it, and parts of it are INVALID",
        (false, true) => "parts of it are INVALID",
        (false, false) => "it is still marked INVALID, although all of its parts are valid",
    }
}

/// The session that builds one of the parts at this moment.
pub(super) fn builder(index: &LiveIndex, relation: &Carrier, live: &Live) -> Option<i32> {
    let mut builder = None;
    look_through(index, relation, live, &mut |part| {
        if let Some(IndexState::Building { pid }) = part.map(|part| part.state) {
            builder = Some(pid);
        }
    });
    builder
}

/// Shows each part at the lowest level, and `None` for each that is missing.
fn look_through(index: &LiveIndex, relation: &Carrier, live: &Live, see: &mut impl FnMut(Option<&LiveIndex>)) {
    for partition in live.partitions(relation) {
        match partition.part_of(index) {
            Some(part) if partition.is_partitioned() => look_through(part, partition, live, see),
            part => see(part),
        }
    }
}
