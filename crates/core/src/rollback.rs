//! The way back from a run: what was before it, as a declaration that is planned like any other. What a run did not
//! begin is left alone, and what cannot be brought back is said.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    address::Address,
    desired::{DeclaredIndex, DeclaredMatview, DeclaredRule, Desired, DesiredRelation},
    kinds::{
        Object,
        index::{Index, spec::Lowered},
        matview::Matview,
        retention::Rule,
        schedule::Scheduler,
    },
    plan::{Action, Effect, Note, Placed, Plan, PlannedChange, Record},
    postgres::name::QualifiedName,
    scope::{Filter, Release},
    source::{FileId, Source},
};

/// What a plan must aim at to take a run back.
#[derive(Debug)]
pub struct Inverse {
    /// What was there before, of the objects that the run touched.
    pub desired: Desired,
    /// Those objects and no other.
    pub filter: Filter,
    /// Those of them that were not managed before.
    pub release: Release,
    /// Those that are taken away only where they are of no use: nothing came of them in the run.
    pub remnants: BTreeSet<Address>,
    /// What stays as the run left it.
    pub notes: Vec<Note>,
}

/// Declarations that stand in no file.
const NOWHERE: FileId = FileId(u32::MAX);

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
        let protected: BTreeSet<_> =
            declared.indexes().filter(|index| index.protect).map(|index| index.index.address()).collect();
        let mut inverse = Collected { scheduler: declared.scheduler, ..Collected::default() };
        for placed in with_companions(run, begun) {
            let change = placed.change;
            if protected.contains(&change.address) {
                inverse.note(change, "protected: it stays as it is");
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
        .map(|p| p.change.address.table())
        .collect();
    // A replacement may have taken an index that was given up under its own name.
    let taken = |change: &PlannedChange| {
        change.action == Action::Forget && change.before.is_some() && replaced.contains(change.address.table())
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
    scheduler: Option<Scheduler>,
    touched: BTreeSet<Address>,
    former: BTreeMap<Address, Index>,
    matviews: Vec<Matview>,
    rules: Vec<Rule>,
    tables: BTreeSet<QualifiedName>,
    release: Release,
    remnants: BTreeSet<Address>,
    notes: Vec<Note>,
}

impl Collected {
    fn change(&mut self, change: &PlannedChange) {
        match (change.action, &change.before) {
            (Action::Create, _) => {
                self.touch(change);
                self.lose(change);
                // What a step cannot take back is the archive.
                let lasting = change.steps.iter().any(|step| step.undo.is_none());
                if matches!(change.address, Address::Retention { .. }) && lasting {
                    self.note(change, "its archive stays, with the rows in it");
                }
            }
            (Action::Update | Action::Replace | Action::Drop | Action::Rename | Action::Forget, Some(before)) => {
                self.touch(change);
                match before {
                    Object::Index(before) => self.restore(change, before),
                    Object::Matview(before) => self.restore_view(change, before),
                    // It follows from its rule.
                    Object::Schedule(_) => {}
                    Object::Retention(rule) => {
                        self.touched.insert(rule.address());
                        self.rules.push((**rule).clone());
                    }
                }
            }
            (Action::Adopt, _) => self.let_go(change, "the run had adopted it; it stays as it is"),
            // What it replaced was of no use; where nobody had asked for it before, it goes.
            (Action::Repair, Some(before)) if !change.prior.managed && is_rebuilt(change, before) => self.touch(change),
            (Action::Repair, _) if !change.prior.managed => {
                self.note(change, "its repair is not taken back");
                self.let_go(change, "the run had repaired and adopted it; it stays as it is");
            }
            (Action::Repair, _) => self.note(change, "its repair is not taken back"),
            (Action::Forget, None) => self.note(change, "it was gone already: nothing to take back"),
            (Action::Update | Action::Replace | Action::Drop | Action::Rename, None) => {
                self.note(change, "what it was before is not recorded: it stays as it is");
            }
        }
    }

    fn let_go(&mut self, change: &PlannedChange, reason: &str) {
        self.touch(change);
        self.release.insert(change.address.clone(), reason.to_owned());
    }

    /// What a change that came to no end left: itself, or parts on partitions that nothing is attached to.
    fn remains(&mut self, placed: Placed<'_>, begun: &Begun) {
        let change = placed.change;
        if change.action == Action::Create && begun.came_to_nothing(placed) {
            self.remnants.insert(change.address.clone());
        }
        for (number, step) in placed.steps() {
            let (Some((table, index)), Some(fruitful)) = (step.makes(), begun.steps.get(&number)) else { continue };
            if *table == *change.address.table() {
                continue;
            }
            let address = Address::index(table, &index.name);
            self.tables.insert(table.clone());
            if !fruitful {
                self.remnants.insert(address.clone());
            }
            self.touched.insert(address);
        }
    }

    fn touch(&mut self, change: &PlannedChange) {
        self.touched.insert(change.address.clone());
        match &change.address {
            Address::Index { table, .. } => {
                self.tables.insert(table.clone());
            }
            Address::Matview { .. } | Address::Retention { .. } | Address::Schedule { .. } => {}
        }
    }

    fn restore(&mut self, change: &PlannedChange, before: &Index) {
        let address = before.address();
        if !change.prior.managed {
            self.release.insert(address.clone(), "it was not managed before the run".to_owned());
        }
        self.lose(change);
        let after = change.after.as_ref().and_then(Object::index).and_then(|after| after.tablespace.as_ref());
        if before.tablespace.is_none() && after.is_some() {
            self.note(change, "it is not moved back to the default tablespace");
        }
        self.touched.insert(address.clone());
        self.former.insert(address, complete(before));
    }

    /// With its indexes, which come with it where it is made anew.
    fn restore_view(&mut self, change: &PlannedChange, before: &Matview) {
        if !change.prior.managed {
            self.release.insert(before.address(), "it was not managed before the run".to_owned());
        }
        self.lose(change);
        self.tables.insert(before.name.clone());
        for index in &before.indexes {
            self.former.insert(index.address(), complete(index));
        }
        self.matviews.push(Matview {
            with: Some(before.with.clone().unwrap_or_default()),
            comment: Some(before.comment.clone().unwrap_or_default()),
            indexes: Vec::new(),
            ..before.clone()
        });
    }

    fn lose(&mut self, change: &PlannedChange) {
        for lost in &change.prior.hangs {
            self.note(change, &format!("not brought back: {lost}"));
        }
    }

    fn note(&mut self, change: &PlannedChange, text: &str) {
        self.notes.push(Note::new(change.address.clone(), text.to_owned()));
    }

    fn finish(self) -> Inverse {
        let at = Source::file(NOWHERE);
        let relations = self.tables.into_iter().map(|name| {
            let former = self.former.values().filter(|index| index.table == name);
            let declared = former.map(|index| {
                DeclaredIndex::new(Lowered { index: index.clone(), protect: false, short: false }, at.clone())
            });
            // What an interrupted build left belongs to nobody, so that only `prune` reaches it.
            DesiredRelation { indexes: declared.collect(), name, at: at.clone(), prune: true }
        });
        let views = self.matviews.into_iter().map(|view| DeclaredMatview::new(view, at.clone(), at.clone()));
        let views = views.collect();
        let rules = self.rules.into_iter().map(|rule| DeclaredRule::new(rule, at.clone()));
        Inverse {
            desired: Desired::new(relations.collect(), rules.collect())
                .with_matviews(views)
                .scheduled_by(self.scheduler),
            filter: Filter::only(self.touched),
            release: self.release,
            remnants: self.remnants,
            notes: self.notes,
        }
    }
}

/// Whether what stood there before was dropped first.
fn is_rebuilt(change: &PlannedChange, before: &Object) -> bool {
    let Some(before) = before.index() else { return false };
    let own = before.relation();
    change.steps.iter().any(|step| matches!(&step.effect, Some(Effect::IndexGone { index, .. }) if *index == own))
}

/// With nothing left open: what was not set before is not set afterwards.
fn complete(before: &Index) -> Index {
    Index {
        with: Some(before.with.clone().unwrap_or_default()),
        comment: Some(before.comment.clone().unwrap_or_default()),
        ..before.clone()
    }
}
