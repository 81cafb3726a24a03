//! Undoes a run: it declares what existed before the run, and that is planned like any other declaration. Changes that
//! the run did not begin are ignored, and notes say what cannot be restored.

use crate::{
    address::Address,
    kind::Undoing,
    kinds::{self, Desired, Formers},
    plan::{Action, Effect, Note, Placed, Plan, PlannedChange, Record},
    postgres::cron::Runner,
    scope::{Filter, Scope},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan must reach to undo a run.
#[derive(Debug)]
pub struct Inverse {
    /// What existed before, for the objects that the run touched.
    pub desired: Desired,
    /// Only those objects. It also says which of them were not managed before, and which may be dropped only if they
    /// are INVALID, because the run did not finish building them.
    pub scope: Scope,
    /// Notes about what stays as the run left it.
    pub notes: Vec<Note>,
}

/// How far a run got.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    /// Whether it has ended with success.
    pub whole: bool,
    /// The steps that were sent, by number from 1, and whether each one may have had an effect.
    pub steps: BTreeMap<usize, bool>,
    /// The addresses that the run recorded in the registry.
    pub recorded: BTreeSet<Address>,
}

impl Begun {
    fn has(&self, placed: Placed<'_>) -> bool {
        let sent = placed.steps().any(|(number, _)| self.steps.contains_key(&number));
        self.whole || sent || self.recorded.contains(&placed.change.address)
    }

    /// Whether a change can have left nothing but something INVALID.
    fn came_to_nothing(&self, placed: Placed<'_>) -> bool {
        let fruitful = placed.steps().any(|(number, _)| self.steps.get(&number) == Some(&true));
        !self.whole && !fruitful && !self.recorded.contains(&placed.change.address)
    }
}

impl Inverse {
    /// What undoes `run`, which got as far as `begun` says. Objects that `declared` protects stay as they are, and so do
    /// those that were `applied` with `protect: true` and are no longer declared.
    #[must_use]
    pub fn of(run: &Plan, begun: &Begun, declared: &Desired, applied: BTreeSet<Address>) -> Self {
        let still: BTreeSet<_> = declared.addresses().collect();
        let applied = applied.into_iter().filter(|address| !still.contains(address));
        let protected: BTreeSet<_> = declared.protected().chain(applied).collect();
        let mut inverse = Collected { scheduler: declared.scheduler, ..Collected::default() };
        for placed in with_companions(run, begun) {
            let change = placed.change;
            if protected.contains(&change.address) {
                inverse.undoing.note(change, "protected: it stays as it is");
                continue;
            }
            inverse.change(change);
            if !begun.whole {
                inverse.remains(placed, begun);
            }
        }
        inverse.finish()
    }
}

/// The changes that a run began, and those whose steps are part of another one of these changes.
fn with_companions<'a>(run: &'a Plan, begun: &Begun) -> Vec<Placed<'a>> {
    let placed = run.placed();
    let of = |action| move |placed: &&Placed<'_>| placed.change.action == action;
    let exchanged = placed.iter().any(|placed| is_exchange(placed.change) && begun.has(*placed));
    let replaced: BTreeSet<_> = placed
        .iter()
        .filter(of(Action::Replace))
        .filter(|p| begun.has(**p))
        .map(|p| p.change.address.relation())
        .collect();
    // A replacement may have taken the place of a released index with its name.
    let taken = |change: &PlannedChange| {
        change.action == Action::Forget && change.before.is_some() && replaced.contains(change.address.relation())
    };
    let takes_part =
        |placed: &Placed<'_>| begun.has(*placed) || (exchanged && is_exchange(placed.change)) || taken(placed.change);
    placed.iter().copied().filter(takes_part).collect()
}

/// Whether several objects swap names in one transaction, whose steps belong to the first change.
fn is_exchange(change: &PlannedChange) -> bool {
    let given_up = |record: &Record| match (record, &change.before) {
        (Record::Forget { address }, Some(before)) => *address == before.address(),
        (Record::Forget { .. } | Record::Protect { .. } | Record::Manage(_), _) => false,
    };
    change.action == Action::Rename && !change.records.iter().any(given_up)
}

#[derive(Default)]
struct Collected {
    scheduler: Option<Runner>,
    undoing: Undoing,
    formers: Formers,
    remnants: BTreeSet<Address>,
}

impl Collected {
    fn change(&mut self, change: &PlannedChange) {
        for part in &change.takes_in {
            self.formers.bring_back(part, &mut self.undoing);
        }
        match (change.action, &change.before) {
            (Action::Create, _) => {
                self.touch(change);
                self.undoing.lose(change);
                if let Some(stays) = kinds::lasting(change) {
                    self.undoing.note(change, stays);
                }
            }
            (Action::Update | Action::Replace | Action::Drop | Action::Rename | Action::Forget, Some(before)) => {
                self.touch(change);
                self.formers.restore(change, before, &mut self.undoing);
            }
            (Action::Adopt, _) => self.let_go(change, "the run had adopted it; it stays as it is"),
            // The replaced object was unusable. If it was not managed before, the new one is dropped.
            (Action::Repair, Some(before)) if !change.prior.managed && is_rebuilt(change, &before.address()) => {
                self.touch(change);
            }
            (Action::Repair, _) if !change.prior.managed => {
                self.undoing.note(change, "its repair is not taken back");
                self.let_go(change, "the run had repaired and adopted it; it stays as it is");
            }
            (Action::Repair, _) => self.undoing.note(change, "its repair is not taken back"),
            (Action::Forget, None) => self.undoing.note(change, "it was gone already; there is nothing to take back"),
            (Action::Update | Action::Replace | Action::Drop | Action::Rename, None) => {
                self.undoing.note(change, "what it was before is not recorded: it stays as it is");
            }
        }
    }

    fn let_go(&mut self, change: &PlannedChange, reason: &str) {
        self.touch(change);
        self.undoing.release.insert(change.address.clone(), reason.to_owned());
    }

    /// Finds what an unfinished change left: its object, or parts on partitions that are not attached.
    fn remains(&mut self, placed: Placed<'_>, begun: &Begun) {
        let change = placed.change;
        if change.action == Action::Create && begun.came_to_nothing(placed) {
            self.remnants.insert(change.address.clone());
        }
        for (number, step) in placed.steps() {
            let (Some((table, address)), Some(fruitful)) = (kinds::made_by(step), begun.steps.get(&number)) else {
                continue;
            };
            if table == change.address.relation() {
                continue;
            }
            self.formers.touch(&address);
            if !fruitful {
                self.remnants.insert(address.clone());
            }
            self.undoing.touched.insert(address);
        }
    }

    fn touch(&mut self, change: &PlannedChange) {
        self.undoing.touched.insert(change.address.clone());
        self.formers.touch(&change.address);
    }

    fn finish(self) -> Inverse {
        let Undoing { touched, release, notes } = self.undoing;
        let scope = Scope { filter: Filter::only(touched), release, remnants: self.remnants };
        Inverse { desired: self.formers.desired(self.scheduler), scope, notes }
    }
}

/// Whether the change dropped the previous object first.
fn is_rebuilt(change: &PlannedChange, before: &Address) -> bool {
    change.steps.iter().any(|step| match step.effect() {
        Some(Effect::IndexGone { table, index }) => {
            before.relation() == table && before.part().is_some_and(|name| *name == index.name)
        }
        Some(Effect::IndexValid { .. } | Effect::IndexRebuilt { .. }) | None => false,
    })
}
