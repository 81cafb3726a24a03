//! Which changes of a plan may run side by side. Changes of a phase wait for the phase before it.

use std::collections::HashMap;

use super::{Action, Plan, PlannedChange, Step};
use crate::postgres::name::QualifiedName;

/// A change and the number of its first step, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The change.
    pub change: &'a PlannedChange,
    /// The number of its first step in the whole plan, from 1.
    pub first: usize,
}

/// Changes that do not depend on each other, in lists that may run side by side.
#[derive(Debug, Default)]
pub struct Phase<'a> {
    /// The lists, each in its own order.
    pub lists: Vec<Vec<Placed<'a>>>,
}

impl<'a> Placed<'a> {
    /// Its steps, each with its number in the whole plan.
    pub fn steps(&self) -> impl Iterator<Item = (usize, &'a Step)> {
        (self.first..).zip(&self.change.steps)
    }
}

impl Plan {
    /// The phases in order. Builds on different partition trees may run side by side. Two builds on one tree would wait
    /// for each other's locks and snapshots for ever (docs/pitfalls.md, "Two concurrent builds on one table wait for
    /// each other").
    #[must_use]
    pub fn phases(&self) -> Vec<Phase<'_>> {
        self.placed().chunk_by(|a, b| class(a.change) == class(b.change)).map(phase).collect()
    }

    /// The changes in order, each with the number of its first step.
    #[must_use]
    pub fn placed(&self) -> Vec<Placed<'_>> {
        let mut first = 1;
        let place = |change| {
            let placed = Placed { change, first };
            first += placed.change.steps.len();
            placed
        };
        self.changes.iter().map(place).collect()
    }
}

/// Which changes fit into one phase.
#[derive(PartialEq)]
enum Class {
    /// They build, independently of each other.
    Builds(Action),
    /// No statement runs; only the registry records something.
    Noted,
    /// They run one after the other.
    InTurn,
}

fn class(change: &PlannedChange) -> Class {
    match change.action {
        _ if change.steps.is_empty() => Class::Noted,
        Action::Create | Action::Replace | Action::Repair => Class::Builds(change.action),
        Action::Update | Action::Drop | Action::Rename | Action::Adopt | Action::Forget => Class::InTurn,
    }
}

fn phase<'a>(changes: &[Placed<'a>]) -> Phase<'a> {
    let builds = changes.first().is_some_and(|first| matches!(class(first.change), Class::Builds(_)));
    if !builds {
        return Phase { lists: vec![changes.to_vec()] };
    }
    let mut lists: Vec<Vec<Placed<'a>>> = Vec::new();
    let mut of_lane: HashMap<&QualifiedName, usize> = HashMap::new();
    for placed in changes {
        let list = *of_lane.entry(&placed.change.lane).or_insert(lists.len());
        match lists.get_mut(list) {
            Some(list) => list.push(*placed),
            None => lists.push(vec![*placed]),
        }
    }
    Phase { lists }
}
