//! The events of an apply while it runs, and its result.

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

/// What happens in a run. A step is named by its number in the plan, from 1, because several may run at the same time.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An earlier run was interrupted in a step, and the effect of the step was looked up now.
    LookedUp {
        /// The interrupted run.
        run: RunId,
        /// The object.
        address: String,
        /// The statement.
        statement: String,
        /// Whether its effect is there.
        done: bool,
    },
    /// The run has started and has a number.
    RunStarted(RunId),
    /// A statement starts.
    StepStarted {
        /// The object.
        change: &'a PlannedChange,
        /// The statement.
        step: &'a Step,
        /// The number of the step, from 1.
        position: usize,
        /// How many steps the plan has.
        of: usize,
    },
    /// A build makes progress.
    Progress(usize, Progress),
    /// The statement waits for another session.
    Waiting(usize, Blocker),
    /// The statement did not get its lock in time, and is tried again.
    Retry(usize, Retry),
    /// The statement is done.
    StepFinished(usize, Duration),
    /// The INVALID index that a failed build left was removed.
    CleanedUp(usize, &'a QualifiedName),
    /// The INVALID index could not be removed, because another session blocks that as well. The next plan repairs it.
    LeftBehind(usize, &'a QualifiedName),
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// The number of the run.
    pub run: RunId,
    /// The changes that are complete.
    pub done: Vec<Address>,
    /// The changes that are not complete.
    pub remaining: Vec<Address>,
    /// Why the run ended early.
    pub error: Option<RunError>,
}
