//! What a kind contributes to a plan.

use super::Projection;
use crate::{
    change::{Change, Note, Record},
    problem::Problem,
};

/// When a change runs, before the order of kinds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Objects that queries use.
    Objects,
    /// Jobs that go, before what they call.
    Unscheduling,
    /// What is due at its time.
    Policies,
    /// Jobs that come or change, after what they call.
    Scheduling,
}

/// What a kind contributes to a plan.
#[derive(Debug)]
pub struct Part<O> {
    /// Changes in the order in which they run within their stage. The numbers of transactions count from 0 within each.
    pub changes: Vec<(Stage, Change<O>)>,
    /// What changes nothing and is worth knowing.
    pub notes: Vec<Note>,
    /// What the registry is told of objects that do not change.
    pub records: Vec<Record>,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
    /// Objects of declared relations that nobody declared, and that stay as they are.
    pub left_alone: usize,
    /// What will be there once the changes have run.
    pub projects: Projection,
}

impl<O> Default for Part<O> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            notes: Vec::new(),
            records: Vec::new(),
            problems: Vec::new(),
            left_alone: 0,
            projects: Projection::default(),
        }
    }
}

impl<O> Part<O> {
    /// The same, with objects of another type.
    pub fn map<P>(self, into: impl Fn(O) -> P) -> Part<P> {
        Part {
            changes: self.changes.into_iter().map(|(stage, change)| (stage, change.map(&into))).collect(),
            notes: self.notes,
            records: self.records,
            problems: self.problems,
            left_alone: self.left_alone,
            projects: self.projects,
        }
    }
}
