//! Which objects a plan is about, and which of them reconcile no longer manages afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// The flags `--only` and `--exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only these objects; `None`: all objects.
    pub only: Option<Vec<Address>>,
    /// Objects to leave out.
    pub exclude: Vec<Address>,
}

impl Filter {
    /// Limits a plan to these objects.
    #[must_use]
    pub fn only(addresses: impl IntoIterator<Item = Address>) -> Self {
        Self { only: Some(addresses.into_iter().collect()), exclude: Vec::new() }
    }

    /// Whether the flags admit everything.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.only.is_none() && self.exclude.is_empty()
    }

    /// Whether the flags name this address.
    #[must_use]
    pub fn names(&self, address: &Address) -> bool {
        self.only.as_ref().is_some_and(|only| only.contains(address))
    }

    /// Whether the flags admit an object.
    #[must_use]
    pub fn admits(&self, address: &Address) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(address)) && !self.exclude.contains(address)
    }
}

/// Objects that stay but are no longer managed, each with the reason that the plan shows.
pub type Release = BTreeMap<Address, String>;

/// The limits of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Which objects may change.
    pub filter: Filter,
    /// Which objects stay, whatever depends on that, and are no longer managed.
    pub release: Release,
    /// Indexes that a build may have left INVALID: they are dropped if they are INVALID, and ignored if somebody has
    /// built them since.
    pub remnants: BTreeSet<Address>,
}

impl Scope {
    /// Whether an object may change.
    #[must_use]
    pub fn admits(&self, address: &Address) -> bool {
        self.filter.admits(address)
    }

    /// Why an object stays and is no longer managed.
    #[must_use]
    pub fn released(&self, address: &Address) -> Option<&String> {
        self.release.get(address)
    }
}
