//! The way back from a run: what was before it, as a declaration that is planned like any other. What a run did not
//! begin is left alone, and what cannot be brought back is said.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    address::Address,
    desired::{DeclaredIndex, DeclaredRule, Desired, DesiredRelation},
    diff::{Filter, Release},
    kinds::{
        Object,
        index::{Index, spec::Lowered},
        retention::Rule,
    },
    name::QualifiedName,
    plan::{Action, Note, Plan, PlannedChange},
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
    /// What stays as the run left it.
    pub notes: Vec<Note>,
}

/// Declarations that stand in no file.
const NOWHERE: FileId = FileId(u32::MAX);

impl Inverse {
    /// The way back from `run`, of which `begun` is what it got to. What `declared` protects is not taken away.
    #[must_use]
    pub fn of(run: &Plan, begun: &BTreeSet<Address>, declared: &Desired) -> Self {
        let protected: BTreeSet<_> =
            declared.indexes().filter(|index| index.protect).map(|index| index.index.address()).collect();
        let mut inverse = Collected::default();
        for change in run.changes.iter().filter(|change| begun.contains(&change.address)) {
            if protected.contains(&change.address) {
                inverse.note(change, "protected: it stays as it is");
            } else {
                inverse.change(change);
            }
        }
        inverse.finish()
    }
}

#[derive(Default)]
struct Collected {
    touched: BTreeSet<Address>,
    former: BTreeMap<Address, Index>,
    rules: Vec<Rule>,
    tables: BTreeSet<QualifiedName>,
    release: Release,
    notes: Vec<Note>,
}

impl Collected {
    fn change(&mut self, change: &PlannedChange) {
        match (change.action, &change.before) {
            (Action::Create, _) => self.touch(change),
            (Action::Update | Action::Replace | Action::Drop | Action::Rename, Some(before)) => {
                self.touch(change);
                match before {
                    Object::Index(before) => self.restore(change, before),
                    Object::Retention(rule) => {
                        self.touched.insert(rule.address());
                        self.rules.push((**rule).clone());
                    }
                }
            }
            (Action::Adopt, _) => {
                self.touch(change);
                self.release.insert(change.address.clone(), "the run had adopted it; it stays as it is".to_owned());
            }
            // What it repaired was of no use; where nobody had asked for it before, it goes.
            (Action::Repair, _) if !change.prior.valid && !change.prior.managed => self.touch(change),
            (Action::Repair, _) => self.note(change, "its repair is not taken back"),
            (Action::Forget, _) => self.note(change, "it was gone already, or given up: nothing to take back"),
            (Action::Update | Action::Replace | Action::Drop | Action::Rename, None) => {
                self.note(change, "what it was before is not recorded: it stays as it is");
            }
        }
    }

    fn touch(&mut self, change: &PlannedChange) {
        self.touched.insert(change.address.clone());
        match &change.address {
            Address::Index { table, .. } => {
                self.tables.insert(table.clone());
            }
            Address::Retention { .. } => {}
        }
    }

    fn restore(&mut self, change: &PlannedChange, before: &Index) {
        let address = before.address();
        if !change.prior.managed {
            self.release.insert(address.clone(), "it was not managed before the run".to_owned());
        }
        for lost in &change.prior.hangs {
            self.note(change, &format!("not brought back: {lost}"));
        }
        let after = change.after.as_ref().and_then(Object::index).and_then(|after| after.tablespace.as_ref());
        if before.tablespace.is_none() && after.is_some() {
            self.note(change, "it is not moved back to the default tablespace");
        }
        self.touched.insert(address.clone());
        self.former.insert(address, complete(before));
    }

    fn note(&mut self, change: &PlannedChange, text: &str) {
        self.notes.push(Note { address: change.address.clone(), text: text.to_owned() });
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
        let rules = self.rules.into_iter().map(|rule| DeclaredRule::new(rule, at.clone()));
        Inverse {
            desired: Desired::new(relations.collect(), rules.collect()),
            filter: Filter::only(self.touched),
            release: self.release,
            notes: self.notes,
        }
    }
}

/// With nothing left open: what was not set before is not set afterwards.
fn complete(before: &Index) -> Index {
    Index {
        with: Some(before.with.clone().unwrap_or_default()),
        comment: Some(before.comment.clone().unwrap_or_default()),
        ..before.clone()
    }
}
