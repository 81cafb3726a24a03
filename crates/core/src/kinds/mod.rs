//! The kinds of objects, a folder each: everything that is particular to a kind is in its folder.

pub mod index;
pub mod matview;
pub mod retention;
pub mod schedule;

use serde::{Deserialize, Serialize};

use self::{index::Index, matview::Matview, retention::Rule, schedule::Schedule};
use crate::address::Address;

/// An object of any kind, in canonical form or as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Object {
    /// An index.
    Index(Box<Index>),
    /// A materialized view.
    Matview(Box<Matview>),
    /// A retention rule.
    Retention(Box<Rule>),
    /// A job in the database.
    Schedule(Box<Schedule>),
}

impl Object {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Index(index) => index.address(),
            Self::Matview(view) => view.address(),
            Self::Retention(rule) => rule.address(),
            Self::Schedule(schedule) => schedule.address(),
        }
    }

    /// The index, if it is one.
    #[must_use]
    pub fn index(&self) -> Option<&Index> {
        match self {
            Self::Index(index) => Some(index),
            Self::Matview(_) | Self::Retention(_) | Self::Schedule(_) => None,
        }
    }

    /// The materialized view, if it is one.
    #[must_use]
    pub fn matview(&self) -> Option<&Matview> {
        match self {
            Self::Matview(view) => Some(view),
            Self::Index(_) | Self::Retention(_) | Self::Schedule(_) => None,
        }
    }

    /// The rule, if it is one.
    #[must_use]
    pub fn retention(&self) -> Option<&Rule> {
        match self {
            Self::Retention(rule) => Some(rule),
            Self::Index(_) | Self::Matview(_) | Self::Schedule(_) => None,
        }
    }

    /// Its definition over several lines, for people to compare.
    #[must_use]
    pub fn lines(&self) -> String {
        match self {
            Self::Index(index) => index.lines(),
            Self::Matview(view) => view.lines(),
            Self::Retention(rule) => rule.lines(),
            Self::Schedule(schedule) => schedule.lines(),
        }
    }
}
