//! Decides what happens to each index of one relation: the declared ones, the managed ones, and under `prune` the others.
//! `steps` has the statements.

mod detaching;
mod doomed;
mod incomplete;
mod part_names;
mod release;
mod renames;
mod undeclared;

use std::collections::BTreeSet;

pub(super) use doomed::Doomed;
pub(super) use incomplete::can_be_completed;
pub(super) use part_names::{check_part_names, named_by_others, note_lost_parts};
pub(super) use release::{keep_parts, release, spare};

use super::{
    Carrier, Definition, DesiredRelation, Index, IndexState, LiveIndex, View, canonical,
    compare::{self, Alteration, Verdict},
    names::{building_name, retired_name},
};
use crate::{
    address::Address, change::Note, declared::Declared, kind::Context, postgres::name::Ident, problem::Problem,
};

/// The decisions about one relation.
#[derive(Debug, Default)]
pub struct Decisions<'a> {
    /// The changes, in no particular order.
    pub changes: Vec<Change<'a>>,
    /// Indexes that are managed and unchanged, but have an outdated registry entry.
    pub outdated: Vec<(&'a Declared<Index>, &'a LiveIndex)>,
    /// Notes that a reader of the plan needs.
    pub notes: Vec<Note>,
    /// The number of undeclared indexes that stay as they are.
    pub left_alone: usize,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
}

/// One decision.
#[derive(Debug)]
pub struct Change<'a> {
    /// The address of the index.
    pub address: Address,
    /// The relation that carries it. `None`: it does not exist any more.
    pub relation: Option<&'a Carrier>,
    /// Why it happens.
    pub reason: String,
    /// What happens.
    pub what: Decision<'a>,
    /// Indexes that interrupted runs left beside it. They are dropped.
    pub leftovers: Vec<&'a LiveIndex>,
}

/// What happens to an index.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Build it.
    Create(Wanted<'a>),
    /// Change properties in place.
    Alter(Wanted<'a>, &'a LiveIndex, Vec<Alteration>),
    /// Build it beside the old one and swap the names; or only swap, if the new one exists already under another name.
    Replace(Wanted<'a>, &'a LiveIndex, Option<&'a LiveIndex>),
    /// Rename the live one to the declared name, then change properties in place.
    Rename(Wanted<'a>, &'a LiveIndex, Vec<Alteration>),
    /// Exchange the names of several live ones, then change properties in place.
    Exchange(Wanted<'a>, &'a LiveIndex, Vec<Alteration>),
    /// Add it to the registry.
    Adopt(Wanted<'a>, &'a LiveIndex),
    /// Drop the INVALID one and build it.
    Rebuild(Wanted<'a>, &'a LiveIndex),
    /// Build and attach the parts that are missing.
    Complete(Wanted<'a>, &'a LiveIndex),
    /// Only drop leftovers.
    CleanUp(Wanted<'a>, &'a LiveIndex),
    /// Drop it.
    Drop(&'a LiveIndex),
    /// Remove it from the registry. The index is one that stays, if there is one.
    Forget(Option<&'a LiveIndex>),
}

/// A declared index, and its definition on this server.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The declaration.
    pub declared: &'a Declared<Index>,
    /// The definition in canonical form.
    pub definition: &'a Definition,
}

impl Decisions<'_> {
    /// Adds the decisions about another relation.
    pub(super) fn add(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.outdated.extend(other.outdated);
        self.notes.extend(other.notes);
        self.left_alone += other.left_alone;
        self.problems.extend(other.problems);
    }
}

/// Decides about all indexes of one relation.
#[must_use]
pub(super) fn decide<'a>(
    desired: Option<&'a DesiredRelation>,
    relation: &'a Carrier,
    context: Context<'a>,
    view: View<'a>,
    doomed: &Doomed<'a>,
) -> Decisions<'a> {
    let declared = desired.map(|desired| desired.indexes.as_slice()).unwrap_or_default();
    let mut decider = Decider {
        relation,
        context,
        view,
        doomed,
        has_leftovers: relation.indexes.values().any(is_leftover),
        names: declared.iter().map(|declared| &declared.object.name).collect(),
        given_up: BTreeSet::new(),
        used: BTreeSet::new(),
        exchanged: BTreeSet::new(),
        out: Decisions::default(),
    };
    let wanted = decider.wanted(declared);
    decider.exchange(&wanted);
    decider.give_up(&wanted);
    // Declarations without an index of their name come first: they may take an index whose own declaration gives it up.
    let (mut named, mut missing): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .filter(|wanted| !decider.exchanged.contains(&wanted.declared.object.name))
        .partition(|wanted| relation.indexes.contains_key(&wanted.declared.object.name));
    while !missing.is_empty() {
        for wanted in missing {
            decider.missing(wanted);
        }
        // A declaration whose index was taken needs another one now.
        (missing, named) = named.into_iter().partition(|wanted| decider.used.contains(&wanted.declared.object.name));
    }
    for wanted in named {
        decider.declared(wanted);
    }
    decider.undeclared_but_managed();
    match desired {
        Some(desired) if desired.prune => decider.prune(),
        Some(_) => decider.out.left_alone = decider.strangers().count(),
        None => {}
    }
    if let Some(desired) = desired {
        decider.name_invalid(desired.prune);
    }
    decider.detaching();
    decider.out
}

struct Decider<'d, 'a> {
    relation: &'a Carrier,
    context: Context<'a>,
    view: View<'a>,
    doomed: &'d Doomed<'a>,
    /// Interrupted runs left indexes of any name here.
    has_leftovers: bool,
    /// The names that are declared.
    names: BTreeSet<&'a Ident>,
    /// Declared names whose live index will be replaced, so that other declarations may take the present one.
    given_up: BTreeSet<&'a Ident>,
    /// Live indexes that serve a declaration. Nothing else is decided about them.
    used: BTreeSet<&'a Ident>,
    /// Declared names that get their indexes by an exchange.
    exchanged: BTreeSet<&'a Ident>,
    out: Decisions<'a>,
}

impl<'a> Decider<'_, 'a> {
    /// The declared indexes whose definitions are known.
    fn wanted(&mut self, declared: &'a [Declared<Index>]) -> Vec<Wanted<'a>> {
        let mut all = Vec::with_capacity(declared.len());
        for declared in declared {
            if let Some(definition) = canonical::known(declared, self.relation, self.view.live) {
                all.push(Wanted { declared, definition });
            } else {
                let misnamed = self.view.live.misnamed.get(&declared.object.address());
                self.out.problems.extend(misnamed.into_iter().flatten().cloned());
            }
        }
        all
    }

    fn declared(&mut self, wanted: Wanted<'a>) {
        if let Some(own) = self.relation.indexes.get(&wanted.declared.object.name) {
            self.named_alike(wanted, own);
        }
    }

    fn named_alike(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex) {
        if let Some(whole) = self.doomed.with(own).filter(|_| own.constraint.is_none()) {
            let reason = format!("it would go with `{}`, which it is a part of", whole.index.name);
            return self.change(wanted, reason, Decision::Replace(wanted, own, self.standing(wanted)));
        }
        let verdict = self.verdict(wanted, own);
        if let Some(owner) = owner(own) {
            return self.owned_elsewhere(wanted, &owner, &verdict);
        }
        match own.state {
            IndexState::Valid => self.valid(wanted, own, verdict),
            IndexState::Building { pid } => {
                self.note(
                    wanted,
                    format!("process {pid} is building or dropping it now; plan again when that is done"),
                );
            }
            IndexState::Invalid => self.invalid(wanted, own, &verdict),
        }
    }

    fn verdict(&self, wanted: Wanted<'_>, live: &LiveIndex) -> Verdict {
        let default_tablespace = &self.context.vocabulary.default_tablespace;
        let verdict = compare::compare(live, &wanted.declared.object, wanted.definition, default_tablespace);
        let parameters = |alteration: &Alteration| matches!(alteration, Alteration::Parameters(_));
        match verdict {
            // PostgreSQL changes them in place only where there is storage (manual, ALTER INDEX).
            Verdict::Alter(alterations) if self.relation.is_partitioned() && alterations.iter().any(parameters) => {
                Verdict::Replace(vec!["with"])
            }
            verdict => verdict,
        }
    }

    /// What still has to change in place once a live index has the declared name.
    fn alterations(&self, wanted: Wanted<'_>, live: &LiveIndex) -> Vec<Alteration> {
        match self.verdict(wanted, live) {
            Verdict::Alter(alterations) => alterations,
            Verdict::Same | Verdict::Replace(_) => Vec::new(),
        }
    }

    fn owned_elsewhere(&mut self, wanted: Wanted<'a>, owner: &str, verdict: &Verdict) {
        match verdict.differences() {
            None => self.note(wanted, format!("satisfied: it is the index of {owner}")),
            Some(differences) => {
                let message = format!(
                    "`{}` is the index of {owner} and differs from its declaration in {differences}",
                    wanted.declared.object.name
                );
                let problem = Problem::new(&wanted.declared.at, message).on_key();
                self.out.problems.push(problem.hint("declare it under another name, or change what it belongs to"));
            }
        }
    }

    fn valid(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex, verdict: Verdict) {
        match verdict {
            Verdict::Same => self.same(wanted, own),
            Verdict::Alter(alterations) => {
                let reason = "a property that changes in place differs".to_owned();
                self.change(wanted, reason, Decision::Alter(wanted, own, alterations));
            }
            Verdict::Replace(differences) => self.replace(wanted, own, &differences),
        }
    }

    fn same(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex) {
        if !self.leftovers(&wanted.declared.object).is_empty() {
            let reason = "an interrupted run left an index beside it".to_owned();
            self.change(wanted, reason, Decision::CleanUp(wanted, own));
        } else if !self.is_managed(&wanted.declared.object.address()) {
            self.change(wanted, "it exists as declared".to_owned(), Decision::Adopt(wanted, own));
        } else if !self.view.live.recorded.contains(&own.oid)
            || self.context.registry.object(&wanted.declared.object.address()) != Some(own.oid)
        {
            self.out.outdated.push((wanted.declared, own));
        }
    }

    fn replace(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex, differences: &[&'static str]) {
        let differences = differences.join(", ");
        if wanted.declared.protect {
            return self.note(wanted, format!("protected: not replaced, although it differs in {differences}"));
        }
        let parts = self.view.live.parts(own, self.relation);
        if let Some(key) = parts.iter().map(|(_, part)| *part).chain([own]).find_map(|live| live.needed_by.first()) {
            let message = format!("the foreign key {key} depends on `{}`: it cannot be replaced", own.index.name);
            let problem = Problem::new(&wanted.declared.at, message).on_key();
            let hint = "declare the new definition under another name, then move the foreign key in a migration";
            self.out.problems.push(problem.hint(hint));
            return;
        }
        let ready = self.standing(wanted);
        if ready.is_none() && !self.can_be_built(wanted) {
            return;
        }
        if let Some(ready) = ready.filter(|ready| self.is_ours(ready)) {
            self.used.insert(&ready.index.name);
            let reason = format!("it takes the name `{}`", wanted.declared.object.name);
            self.push(ready.index.address(), reason, Decision::Forget(Some(ready)));
        }
        self.change(wanted, format!("differs in {differences}"), Decision::Replace(wanted, own, ready));
    }

    fn invalid(&mut self, wanted: Wanted<'a>, own: &'a LiveIndex, verdict: &Verdict) {
        if let Some(pid) = incomplete::builder(own, self.relation, self.view.live) {
            return self
                .note(wanted, format!("process {pid} is building a part of it now; plan again when that is done"));
        }
        let has_partitions = !self.relation.partitions.is_empty();
        match (self.relation.is_partitioned() && has_partitions, verdict) {
            (true, Verdict::Same | Verdict::Alter(_)) if can_be_completed(own, self.relation, self.view.live) => {
                let reason = incomplete::reason(own, self.relation, self.view.live).to_owned();
                self.change(wanted, reason, Decision::Complete(wanted, own));
            }
            // Queries may use its parts, so the new one is built beside it before they are dropped.
            (true, Verdict::Same | Verdict::Alter(_)) => self.replace(wanted, own, &["its partitions"]),
            (true, Verdict::Replace(differences)) => self.replace(wanted, own, differences),
            (false, Verdict::Same | Verdict::Alter(_) | Verdict::Replace(_)) => {
                let reason = "it is INVALID: a build was interrupted or failed".to_owned();
                if self.can_be_built(wanted) {
                    self.change(wanted, reason, Decision::Rebuild(wanted, own));
                }
            }
        }
    }

    fn change(&mut self, wanted: Wanted<'a>, reason: String, what: Decision<'a>) {
        self.push(wanted.declared.object.address(), reason, what);
    }

    fn push(&mut self, address: Address, reason: String, what: Decision<'a>) {
        let leftovers = match &what {
            Decision::Replace(wanted, _, Some(_)) => {
                let retired = retired_name(&wanted.declared.object);
                self.relation.indexes.get(&retired).into_iter().collect()
            }
            Decision::Drop(live) => self.leftovers(&live.index),
            Decision::Create(wanted)
            | Decision::Alter(wanted, ..)
            | Decision::Replace(wanted, _, None)
            | Decision::Rename(wanted, ..)
            | Decision::Exchange(wanted, ..)
            | Decision::Adopt(wanted, _)
            | Decision::Rebuild(wanted, _)
            | Decision::Complete(wanted, _)
            | Decision::CleanUp(wanted, _) => self.leftovers(&wanted.declared.object),
            Decision::Forget(_) => Vec::new(),
        };
        self.out.changes.push(Change { address, relation: Some(self.relation), reason, what, leftovers });
    }

    /// The indexes that an interrupted replacement of this index left. Only reconcile gives such names.
    fn leftovers(&self, index: &Index) -> Vec<&'a LiveIndex> {
        if !self.has_leftovers {
            return Vec::new();
        }
        let names = [building_name(index), retired_name(index)];
        names.iter().filter_map(|name| self.relation.indexes.get(name)).collect()
    }

    fn note(&mut self, wanted: Wanted<'a>, text: String) {
        self.out.notes.push(Note::new(wanted.declared.object.address(), text));
    }

    fn is_managed(&self, address: &Address) -> bool {
        self.context.registry.manages(address)
    }

    /// Whether reconcile may rename it: it is managed, or its declared name gets another definition.
    fn is_free(&self, live: &LiveIndex) -> bool {
        let ours = self.is_ours(live) && !self.is_kept(live);
        let given = ours || self.given_up.contains(&live.index.name);
        given && !live.is_owned_elsewhere() && self.may_move(live)
    }

    /// Whether it was protected when its declaration went.
    fn is_kept(&self, live: &LiveIndex) -> bool {
        !self.names.contains(&live.index.name) && self.context.registry.protects(&live.index.address())
    }

    fn is_ours(&self, live: &LiveIndex) -> bool {
        self.is_managed(&live.index.address())
    }

    /// Whether another declaration may take it.
    fn may_move(&self, live: &LiveIndex) -> bool {
        self.context.scope.admits(&live.index.address())
    }
}

pub(super) fn is_leftover(live: &LiveIndex) -> bool {
    let name = live.index.name.as_str();
    name.starts_with("reconcile_new_") || name.starts_with("reconcile_old_")
}

/// The owner that decides about an index, if it is not its declaration.
fn owner(live: &LiveIndex) -> Option<String> {
    match (&live.constraint, live.attached_to) {
        (Some(constraint), _) => Some(format!("constraint `{constraint}`")),
        (None, Some(_)) => Some("the partitioned parent".to_owned()),
        (None, None) => None,
    }
}

fn described(live: &LiveIndex, kept: bool) -> String {
    match owner(live) {
        Some(owner) => format!("`{}`, the index of {owner}", live.index.name),
        None if kept => format!("`{}`, which is protected", live.index.name),
        None => format!("`{}`, which is not managed", live.index.name),
    }
}
