//! Renames. An index that exists under another name is renamed and never built again.

use std::collections::BTreeSet;

use super::{Decider, Decision, Wanted, described, is_leftover};
use crate::kinds::index::{IndexState, LiveIndex, check, compare::Verdict, names::building_name};
use crate::{address::Address, digest::Digest};

impl<'a> Decider<'_, 'a> {
    pub(super) fn give_up(&mut self, all: &[Wanted<'a>]) {
        for wanted in all.iter().filter(|wanted| !wanted.declared.protect) {
            let name = &wanted.declared.object.name;
            let Some(own) = self.relation.indexes.get(name) else { continue };
            let verdict = self.verdict(*wanted, own);
            if matches!(verdict, Verdict::Replace(_)) && own.needed_by.is_empty() && !own.is_owned_elsewhere() {
                self.given_up.insert(name);
            }
        }
    }

    /// The index that a replacement would build, if it exists already: an interrupted run left it, or it is a managed index
    /// that is not declared any more.
    pub(super) fn standing(&self, wanted: Wanted<'a>) -> Option<&'a LiveIndex> {
        let building = building_name(&wanted.declared.object);
        self.relation.indexes.values().find(|live| {
            let name = &live.index.name;
            let free = *name == building
                || (self.is_ours(live)
                    && !self.is_kept(live)
                    && !self.names.contains(name)
                    && !self.used.contains(name)
                    && self.may_move(live)
                    && live.needed_by.is_empty());
            free && live.state == IndexState::Valid
                && !live.is_owned_elsewhere()
                && self.verdict(wanted, live) == Verdict::Same
        })
    }

    /// What reconcile manages under an address, if somebody has given it another name.
    pub(super) fn renamed_by_hand(&self, address: &Address) -> Option<&'a LiveIndex> {
        let entry = self.context.registry.managed.get(address)?;
        self.relation.indexes.values().find(|live| {
            let name = &live.index.name;
            Some(live.oid) == entry.object
                && Some(name) != address.part()
                && live.state == IndexState::Valid
                && !self.names.contains(name)
                && !self.used.contains(name)
                && !live.is_owned_elsewhere()
                && self.may_move(live)
                && Digest::of(&live.index.definition) == entry.definition
        })
    }

    fn rename_back(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex) {
        self.used.insert(&own.index.name);
        match self.verdict(wanted, own) {
            Verdict::Same | Verdict::Alter(_) => {
                let reason = format!("somebody has renamed it to `{}`", own.index.name);
                let alterations = self.alterations(wanted, own);
                self.change(wanted, reason, Decision::Rename(wanted, own, alterations));
            }
            Verdict::Replace(differences) => self.replace(wanted, own, &differences),
        }
    }

    pub(super) fn missing(&mut self, wanted: Wanted<'a>) {
        if let Some(own) = self.renamed_by_hand(&wanted.declared.object.address()) {
            return self.rename_back(wanted, own);
        }
        let alike = |live: &&'a LiveIndex| {
            live.state == IndexState::Valid
                && (!self.names.contains(&live.index.name) || self.given_up.contains(&live.index.name))
                && !self.used.contains(&live.index.name)
                && !matches!(self.verdict(wanted, live), Verdict::Replace(_))
                && !is_leftover(live)
                && self.doomed.with(live).is_none()
        };
        let mut alike: Vec<_> = self.relation.indexes.values().filter(alike).collect();
        let differs = |live: &LiveIndex| self.verdict(wanted, live) != Verdict::Same;
        // A managed one is renamed. Among the others, a note names one first that no constraint can drop.
        alike.sort_by_key(|live| (!self.is_free(live), live.is_owned_elsewhere(), differs(live)));
        match alike.first() {
            Some(live) if self.is_free(live) => {
                self.used.insert(&live.index.name);
                let reason = format!("`{}` is the same index under another name", live.index.name);
                let alterations = self.alterations(wanted, live);
                self.change(wanted, reason, Decision::Rename(wanted, live, alterations));
            }
            Some(live) => {
                self.used.insert(&live.index.name);
                let differs = self.verdict(wanted, live).differences();
                let differs = differs.map(|properties| format!(", although it differs in {properties}"));
                self.note(
                    wanted,
                    format!("satisfied by {}{}", described(live, self.is_kept(live)), differs.unwrap_or_default()),
                );
            }
            None => self.create(wanted),
        }
    }

    /// One whose definition another index has settled is checked only here.
    fn create(&mut self, wanted: Wanted<'a>) {
        let problems = check::index(wanted.declared, self.relation, self.view.live, self.context);
        if problems.is_empty() && self.can_be_built(wanted) {
            self.change(wanted, "it does not exist".to_owned(), Decision::Create(wanted));
        }
        self.out.problems.extend(problems);
    }

    pub(super) fn can_be_built(&mut self, wanted: Wanted<'a>) -> bool {
        let problem = check::build(wanted.declared, self.relation, self.context);
        let can = problem.is_none();
        self.out.problems.extend(problem);
        can
    }

    /// Finds declared indexes that exist under each other's names. They are renamed and not rebuilt.
    pub(super) fn exchange(&mut self, all: &[Wanted<'a>]) {
        let source = |wanted: &Wanted<'a>| {
            let own = self.relation.indexes.get(&wanted.declared.object.name)?;
            if own.index.definition == *wanted.definition {
                return None;
            }
            all.iter().find_map(|other| {
                let live = self.relation.indexes.get(&other.declared.object.name)?;
                let both = self.may_move(live) && self.context.scope.admits(&wanted.declared.object.address());
                let free =
                    live.state == IndexState::Valid && !live.is_owned_elsewhere() && !other.declared.protect && both;
                let fits = self.verdict(*wanted, live);
                let moves = live.index.definition != *other.definition && !matches!(fits, Verdict::Replace(_));
                (free && moves).then_some(live)
            })
        };
        let mut moves: Vec<_> = all.iter().filter_map(|wanted| Some((*wanted, source(wanted)?))).collect();
        // Only closed cycles remain: each name that an index gives up is taken by another of them, and the reverse.
        loop {
            let before = moves.len();
            let sources: BTreeSet<_> = moves.iter().map(|(_, live)| &live.index.name).collect();
            let targets: BTreeSet<_> = moves.iter().map(|(wanted, _)| &wanted.declared.object.name).collect();
            let closed: BTreeSet<_> = sources.intersection(&targets).copied().cloned().collect();
            moves.retain(|(wanted, live)| {
                closed.contains(&live.index.name) && closed.contains(&wanted.declared.object.name)
            });
            if moves.len() == before {
                break;
            }
        }
        for (wanted, live) in moves {
            self.used.insert(&live.index.name);
            self.exchanged.insert(&wanted.declared.object.name);
            let reason = format!("`{}` is the same index under another name", live.index.name);
            self.change(wanted, reason, Decision::Exchange(wanted, live, self.alterations(wanted, live)));
        }
    }
}
