//! The kinds of objects, a folder each: everything that is particular to a kind is in its folder.

pub mod index;
pub mod retention;

use serde::{Deserialize, Serialize};

use self::{index::Index, retention::Rule};
use crate::address::Address;

/// An object of any kind, in canonical form or as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Object {
    /// An index.
    Index(Box<Index>),
    /// A retention rule.
    Retention(Box<Rule>),
}

impl Object {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Index(index) => index.address(),
            Self::Retention(rule) => rule.address(),
        }
    }

    /// The index, if it is one.
    #[must_use]
    pub fn index(&self) -> Option<&Index> {
        match self {
            Self::Index(index) => Some(index),
            Self::Retention(_) => None,
        }
    }

    /// The rule, if it is one.
    #[must_use]
    pub fn retention(&self) -> Option<&Rule> {
        match self {
            Self::Retention(rule) => Some(rule),
            Self::Index(_) => None,
        }
    }

    /// Its definition over several lines, for people to compare.
    #[must_use]
    pub fn lines(&self) -> String {
        match self {
            Self::Index(index) => index.lines(),
            Self::Retention(rule) => rule.lines(),
        }
    }
}
