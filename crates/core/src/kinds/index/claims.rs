//! Which live indexes of partitions become parts of declared indexes. Each of them goes to one index, and nothing else in
//! the plan moves it or takes it away.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Carrier, Definition, IndexState, LiveIndex,
    decide::{Change, Decision, is_leftover},
};
use crate::{address::Address, postgres::name::Ident};

/// The claims of one plan.
#[derive(Debug, Default)]
pub struct Claims {
    /// The indexes that other changes rename or replace, by OID.
    moved: BTreeSet<u32>,
    /// The indexes that become parts, by OID, and what they become parts of.
    taken: BTreeMap<u32, Address>,
}

impl Claims {
    /// Begins with what the changes of a plan move.
    #[must_use]
    pub fn new(changes: &[Change<'_>]) -> Self {
        let moved = changes.iter().flat_map(|change| match change.what {
            Decision::Rename(_, live, _) | Decision::Exchange(_, live, _) => [Some(live), None],
            Decision::Replace(_, live, ready) => [Some(live), ready],
            Decision::Create(_)
            | Decision::Alter(..)
            | Decision::Adopt(..)
            | Decision::Rebuild(..)
            | Decision::Complete(..)
            | Decision::CleanUp(..)
            | Decision::Drop(_)
            | Decision::Forget(_) => [None, None],
        });
        Self { moved: moved.flatten().map(|live| live.oid).collect(), taken: BTreeMap::new() }
    }

    /// Takes an index of a partition that can become a part of `whole`. `name` is the name that a new part would get.
    pub fn take<'a>(
        &mut self,
        whole: &Address,
        partition: &'a Carrier,
        definition: Option<&Definition>,
        name: &Ident,
    ) -> Option<&'a LiveIndex> {
        let free = |live: &&LiveIndex| {
            live.state == IndexState::Valid
                && !live.is_owned_elsewhere()
                && Some(&live.index.definition) == definition
                && (live.index.name == *name || !is_leftover(live))
                && !self.moved.contains(&live.oid)
                && !self.taken.contains_key(&live.oid)
        };
        let free = partition.indexes.get(name).filter(free).or_else(|| partition.indexes.values().find(free))?;
        self.taken.insert(free.oid, whole.clone());
        Some(free)
    }

    /// The index that a live one becomes a part of.
    #[must_use]
    pub fn taken_by(&self, live: &LiveIndex) -> Option<&Address> {
        self.taken.get(&live.oid)
    }
}
