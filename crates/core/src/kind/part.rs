//! What a kind contributes to a plan.

use super::Projection;
use crate::{
    change::{Change, Note, Record},
    problem::Problem,
};

/// When a change runs. Changes of one stage run in the order of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Objects that queries use.
    Objects,
    /// Jobs that are removed, before what they call is dropped.
    Unscheduling,
    /// Policies that run when they are due.
    Policies,
    /// Jobs that are created or changed, after what they call.
    Scheduling,
}

/// What a kind contributes to a plan.
#[derive(Debug)]
pub struct Part<O> {
    /// The changes in execution order within their stage. Each change numbers its transactions from 0.
    pub changes: Vec<(Stage, Change<O>)>,
    /// Information that changes nothing.
    pub notes: Vec<Note>,
    /// What the registry records for objects that do not change.
    pub records: Vec<Record>,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
    /// The number of undeclared objects of declared relations; they do not change.
    pub left_alone: usize,
    /// What the changes will have changed.
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
    /// The same part, with objects of another type.
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
