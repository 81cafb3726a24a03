//! What a rollback gathers, for all kinds.

use std::collections::BTreeSet;

use crate::{
    address::Address,
    change::{Change, Note},
    scope::Release,
};

/// The objects that a run touched, and notes about them.
#[derive(Debug, Default)]
pub struct Undoing {
    /// The objects that the rollback is about.
    pub touched: BTreeSet<Address>,
    /// Those that were not managed before.
    pub release: Release,
    /// Notes about what stays as the run left it.
    pub notes: Vec<Note>,
}

impl Undoing {
    /// Adds a note about the object of a change.
    pub fn note<O>(&mut self, change: &Change<O>, text: impl Into<String>) {
        self.notes.push(Note::new(change.address.clone(), text));
    }

    /// Adds notes about what cannot be restored with an object.
    pub fn lose<O>(&mut self, change: &Change<O>) {
        for lost in &change.prior.hangs {
            self.note(change, format!("not brought back: {lost}"));
        }
    }

    /// Notes that an object was not managed before the run, and is not managed after the rollback.
    pub fn release(&mut self, address: Address) {
        self.release.insert(address, "it was not managed before the run".to_owned());
    }
}
