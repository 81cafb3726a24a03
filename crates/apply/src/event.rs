//! What an apply tells while it runs, and how it ended.

use std::time::Duration;

use reconcile_core::{
    address::Address,
    plan::{PlannedChange, Step},
    postgres::name::QualifiedName,
};

use crate::{
    monitor::{Blocker, Progress},
    registry::RunId,
    retry::Retry,
    run_error::RunError,
};

/// What happens in a run. Steps carry their number in the plan, from 1, because several may run side by side.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The effect of a step was looked up: its run had broken off before anybody saw how the step ended.
    LookedUp {
        /// That run.
        run: RunId,
        /// The object.
        address: String,
        /// The statement.
        statement: String,
        /// Whether its effect is there.
        done: bool,
    },
    /// The run has a number.
    RunStarted(RunId),
    /// A statement starts.
    StepStarted {
        /// The object.
        change: &'a PlannedChange,
        /// The statement.
        step: &'a Step,
        /// From 1.
        position: usize,
        /// How many steps the plan has.
        of: usize,
    },
    /// A build goes on.
    Progress(usize, Progress),
    /// The statement waits for somebody.
    Waiting(usize, Blocker),
    /// The statement did not get its lock in time, and is tried again.
    Retry(usize, Retry),
    /// The statement is done.
    StepFinished(usize, Duration),
    /// The INVALID index that a failed build left was removed.
    CleanedUp(usize, &'a QualifiedName),
    /// The INVALID index could not be removed, because somebody is in the way of that as well. The next plan repairs
    /// it.
    LeftBehind(usize, &'a QualifiedName),
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Its number.
    pub run: RunId,
    /// The changes that are complete.
    pub done: Vec<Address>,
    /// Those that are not.
    pub remaining: Vec<Address>,
    /// Why it ended early.
    pub error: Option<RunError>,
}
