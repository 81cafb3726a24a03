//! Decides about live indexes that are not declared: managed ones are dropped, the others only under `prune`.

use super::{Decider, Decision, is_leftover};
use crate::{
    address::Address,
    change::Note,
    kinds::index::{Carrier, IndexState, LiveIndex, managed, names::partition_index_name},
    problem::Problem,
};

impl<'a> Decider<'_, 'a> {
    pub(super) fn undeclared_but_managed(&mut self) {
        for (address, name) in managed(self.context.registry, &self.relation.name) {
            let decided = self.names.contains(name) || self.used.contains(name);
            if decided || !self.context.scope.admits(address) || self.context.scope.released(address).is_some() {
                continue;
            }
            match self.relation.indexes.get(name) {
                Some(live) if !live.is_owned_elsewhere() => {
                    self.drop_managed(address, live, "it is no longer declared".to_owned());
                }
                Some(_) | None => {
                    if let Some(live) = self.renamed_by_hand(address) {
                        self.used.insert(&live.index.name);
                        let reason =
                            format!("it is no longer declared; somebody has renamed it to `{}`", live.index.name);
                        self.drop_managed(address, live, reason);
                        continue;
                    }
                    self.push(address.clone(), "it does not exist any more".to_owned(), Decision::Forget(None));
                }
            }
        }
    }

    fn drop_managed(&mut self, address: &'a Address, live: &'a LiveIndex, reason: String) {
        if self.context.registry.protects(address) {
            let text = "protected: it stays, although it is no longer declared; to drop it, declare it with `protect: false` \
                        and apply, then remove the declaration";
            self.out.notes.push(Note::new(address.clone(), text));
            return;
        }
        if let Some(dependent) = self.view.live.dependent(live, self.relation) {
            let message = format!("`{address}` cannot be dropped: {dependent} depends on it");
            self.out.problems.push(
                Problem::nowhere(message)
                    .hint("keep it declared, change what depends on it first, or `reconcile forget` it"),
            );
            return;
        }
        self.push(address.clone(), reason, Decision::Drop(live));
    }

    pub(super) fn prune(&mut self) {
        let strangers: Vec<_> = self
            .strangers()
            .filter(|live| self.may_move(live) && self.context.scope.released(&live.index.address()).is_none())
            .collect();
        for live in strangers {
            let address = live.index.address();
            match (&live.state, self.view.live.dependent(live, self.relation)) {
                (IndexState::Building { pid }, _) => {
                    let text = format!("not pruned: process {pid} is building or dropping it now");
                    self.out.notes.push(Note::new(address, text));
                }
                (_, Some(dependent)) => {
                    let text = format!("not pruned: {dependent} depends on it");
                    self.out.notes.push(Note::new(address, text));
                }
                (IndexState::Valid | IndexState::Invalid, None) => {
                    self.push(address, "it is not declared, and `prune` is set".to_owned(), Decision::Drop(live));
                }
            }
        }
    }

    /// INVALID indexes that nobody declares: each write maintains them, and no query uses them.
    pub(super) fn name_invalid(&mut self, pruned: bool) {
        let own: Vec<_> =
            if pruned { Vec::new() } else { self.strangers().map(|live| (self.relation, live)).collect() };
        let undeclared = |partition: &&'a Carrier| self.view.desired(&partition.name).is_none();
        let below = self.view.live.below(self.relation).into_iter().filter(undeclared);
        let below = below.flat_map(|partition| partition.indexes.values().map(move |live| (partition, live)));
        // One with the name of a part is built again with the declared index.
        let is_part = |partition: &Carrier, live: &LiveIndex| {
            self.names.iter().any(|name| partition_index_name(name, &partition.name) == live.index.name)
        };
        let below = below.filter(|(partition, live)| !live.is_owned_elsewhere() && !is_part(partition, live));
        for (relation, live) in own.into_iter().chain(below) {
            if live.state != IndexState::Invalid || is_leftover(live) {
                continue;
            }
            let drop = if relation.is_partitioned() { "DROP INDEX" } else { "DROP INDEX CONCURRENTLY" };
            let name = live.index.relation().quoted();
            let text = format!("INVALID and not declared: its build or its drop did not end; {drop} {name} removes it");
            self.out.notes.push(Note::new(live.index.address(), text));
        }
    }

    /// Live indexes that are not declared, not managed and not owned by anything else. Those that an interrupted run left are
    /// among them only if the filter names them.
    pub(super) fn strangers(&self) -> impl Iterator<Item = &'a LiveIndex> {
        self.relation.indexes.values().filter(|live| {
            let name = &live.index.name;
            let spoken_for = self.names.contains(name) || self.used.contains(name) || self.is_ours(live);
            let left = is_leftover(live) && !self.context.scope.filter.names(&live.index.address());
            !spoken_for && !live.is_owned_elsewhere() && !left
        })
    }
}
