//! What is gathered on the way back from a run, whatever the kinds.

use std::collections::BTreeSet;

use crate::{
    address::Address,
    change::{Change, Note},
    scope::Release,
};

/// The objects that a run touched, and what is said about them.
#[derive(Debug, Default)]
pub struct Undoing {
    /// The objects that the way back is about.
    pub touched: BTreeSet<Address>,
    /// Those of them that were not managed before.
    pub release: Release,
    /// What stays as the run left it.
    pub notes: Vec<Note>,
}

impl Undoing {
    /// Says something about the object of a change.
    pub fn note<O>(&mut self, change: &Change<O>, text: impl Into<String>) {
        self.notes.push(Note::new(change.address.clone(), text));
    }

    /// Says what does not come back with an object.
    pub fn lose<O>(&mut self, change: &Change<O>) {
        for lost in &change.prior.hangs {
            self.note(change, format!("not brought back: {lost}"));
        }
    }

    /// An object was not managed before the run, and is not managed after its undoing.
    pub fn release(&mut self, address: Address) {
        self.release.insert(address, "it was not managed before the run".to_owned());
    }
}
