//! The way back from a run: what was before it, as a declaration that is planned like any other. What a run did not
//! begin is left alone, and what cannot be brought back is said.

use crate::{
    address::Address,
    kind::Undoing,
    kinds::{self, Desired, Formers},
    plan::{Action, Effect, Note, Placed, Plan, PlannedChange, Record},
    postgres::cron::Runner,
    scope::{Filter, Scope},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan must aim at to take a run back.
#[derive(Debug)]
pub struct Inverse {
    /// What was there before, of the objects that the run touched.
    pub desired: Desired,
    /// Those objects and no other; those of them that were not managed before, and those that are taken away only where
    /// they are of no use, because nothing came of them in the run.
    pub scope: Scope,
    /// What stays as the run left it.
    pub notes: Vec<Note>,
}

/// How far a run came.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    /// To its end.
    pub whole: bool,
    /// The steps that were sent, by number from 1, and whether anything may have come of each.
    pub steps: BTreeMap<usize, bool>,
    /// What the registry has from it.
    pub recorded: BTreeSet<Address>,
}

impl Begun {
    fn has(&self, placed: Placed<'_>) -> bool {
        let sent = placed.steps().any(|(number, _)| self.steps.contains_key(&number));
        self.whole || sent || self.recorded.contains(&placed.change.address)
    }

    /// Whether nothing can have come of a change but something INVALID.
    fn came_to_nothing(&self, placed: Placed<'_>) -> bool {
        let fruitful = placed.steps().any(|(number, _)| self.steps.get(&number) == Some(&true));
        !self.whole && !fruitful && !self.recorded.contains(&placed.change.address)
    }
}

impl Inverse {
    /// The way back from `run`, which came as far as `begun`. What `declared` protects is not taken away.
    #[must_use]
    pub fn of(run: &Plan, begun: &Begun, declared: &Desired) -> Self {
        let protected: BTreeSet<_> = declared.protected().collect();
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

/// The changes that a run began, and those whose steps stand at another one of them.
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
    // A replacement may have taken an index that was given up under its own name.
    let taken = |change: &PlannedChange| {
        change.action == Action::Forget && change.before.is_some() && replaced.contains(change.address.relation())
    };
    let takes_part =
        |placed: &Placed<'_>| begun.has(*placed) || (exchanged && is_exchange(placed.change)) || taken(placed.change);
    placed.iter().copied().filter(takes_part).collect()
}

/// The names of several change hands in one transaction, which the first of them carries.
fn is_exchange(change: &PlannedChange) -> bool {
    let given_up = |record: &Record| match (record, &change.before) {
        (Record::Forget { address }, Some(before)) => *address == before.address(),
        (Record::Forget { .. } | Record::Manage { .. }, _) => false,
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
            // What it replaced was of no use; where nobody had asked for it before, it goes.
            (Action::Repair, Some(before)) if !change.prior.managed && is_rebuilt(change, &before.address()) => {
                self.touch(change);
            }
            (Action::Repair, _) if !change.prior.managed => {
                self.undoing.note(change, "its repair is not taken back");
                self.let_go(change, "the run had repaired and adopted it; it stays as it is");
            }
            (Action::Repair, _) => self.undoing.note(change, "its repair is not taken back"),
            (Action::Forget, None) => self.undoing.note(change, "it was gone already: nothing to take back"),
            (Action::Update | Action::Replace | Action::Drop | Action::Rename, None) => {
                self.undoing.note(change, "what it was before is not recorded: it stays as it is");
            }
        }
    }

    fn let_go(&mut self, change: &PlannedChange, reason: &str) {
        self.touch(change);
        self.undoing.release.insert(change.address.clone(), reason.to_owned());
    }

    /// What a change that came to no end left: itself, or parts on partitions that nothing is attached to.
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

/// Whether what stood there before was dropped first.
fn is_rebuilt(change: &PlannedChange, before: &Address) -> bool {
    change.steps.iter().any(|step| match step.effect() {
        Some(Effect::IndexGone { table, index }) => {
            before.relation() == table && before.part().is_some_and(|name| *name == index.name)
        }
        Some(Effect::IndexValid { .. }) | None => false,
    })
}
