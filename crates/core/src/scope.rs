//! Which objects a plan is about: those that take part, and those that are not reconcile's own in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// `--only` and `--exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Nothing else; `None`: everything.
    pub only: Option<Vec<Address>>,
    /// Not these.
    pub exclude: Vec<Address>,
}

impl Filter {
    /// Nothing but these.
    #[must_use]
    pub fn only(addresses: impl IntoIterator<Item = Address>) -> Self {
        Self { only: Some(addresses.into_iter().collect()), exclude: Vec::new() }
    }

    /// Whether it is asked for by its own address.
    #[must_use]
    pub fn names(&self, address: &Address) -> bool {
        self.only.as_ref().is_some_and(|only| only.contains(address))
    }

    /// Whether an object takes part.
    #[must_use]
    pub fn admits(&self, address: &Address) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(address)) && !self.exclude.contains(address)
    }
}

/// Objects that are left standing and not managed in the end, each with the reason that a reader of the plan is given.
pub type Release = BTreeMap<Address, String>;

/// How far a plan may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// What may be changed at all.
    pub filter: Filter,
    /// What is left standing, whatever needs it.
    pub release: Release,
    /// What a build may have left INVALID: dropped as such, and left alone where somebody else has built it since.
    pub remnants: BTreeSet<Address>,
}

impl Scope {
    /// Whether an object takes part.
    #[must_use]
    pub fn admits(&self, address: &Address) -> bool {
        self.filter.admits(address)
    }

    /// Why an object is left standing and no longer managed.
    #[must_use]
    pub fn released(&self, address: &Address) -> Option<&String> {
        self.release.get(address)
    }
}
