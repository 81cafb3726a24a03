//! Parts that go with the index of a partitioned table. What relies on one of them needs an index of its own.

use std::collections::BTreeMap;

use super::{Change, Decision};
use crate::{
    kinds::index::{Live, LiveIndex},
    scope::Scope,
};

/// The parts that the decisions so far take away, by OID, with the whole indexes.
#[derive(Debug, Default)]
pub(in crate::kinds::index) struct Doomed<'a>(BTreeMap<u32, &'a LiveIndex>);

impl<'a> Doomed<'a> {
    /// Adds what changes of one relation take away, as far as they are part of the plan.
    pub(in crate::kinds::index) fn add(&mut self, changes: &[Change<'a>], scope: &Scope, live: &'a Live) {
        for change in changes {
            let (index, relation) = match (&change.what, change.relation) {
                (Decision::Drop(index), Some(relation)) if scope.released(&change.address).is_none() => {
                    (*index, relation)
                }
                (Decision::Replace(_, index, _) | Decision::Rebuild(_, index), Some(relation)) => (*index, relation),
                _ => continue,
            };
            if relation.is_partitioned() && scope.admits(&change.address) {
                self.0.extend(live.parts(index, relation).into_iter().map(|(_, part)| (part.oid, index)));
            }
        }
    }

    /// The whole index that a live one goes with.
    pub(super) fn with(&self, live: &LiveIndex) -> Option<&'a LiveIndex> {
        self.0.get(&live.oid).copied()
    }
}
