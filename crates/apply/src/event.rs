//! What an apply tells while it runs, and how it ended.

use std::time::Duration;

use reconcile_core::{
    address::Address,
    plan::{PlannedChange, Step},
    postgres::name::QualifiedName,
};
use reconcile_live::LiveError;

use crate::{
    monitor::{Blocker, Progress},
    registry::{Outcome, RunId},
    retry::Retry,
};

/// What happens, for whoever shows it. Steps carry their number in the plan, from 1: several may run side by side.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A step whose end nobody had seen, of a run that broke off, was looked up.
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
    Started(RunId),
    /// A statement starts.
    Step {
        /// The object.
        change: &'a PlannedChange,
        /// The statement.
        step: &'a Step,
        /// From 1.
        position: usize,
        /// Of how many.
        of: usize,
    },
    /// A build goes on.
    Progress(usize, Progress),
    /// The statement waits for somebody.
    Waiting(usize, Blocker),
    /// It did not get its lock in time and is tried again.
    Retry(usize, Retry),
    /// The statement is done.
    StepDone(usize, Duration),
    /// What a failed build left was removed.
    CleanedUp(usize, &'a QualifiedName),
    /// It could not be removed now, because somebody is in the way of that as well. The next plan repairs it.
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
    pub stopped: Option<Stopped>,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The user asked it to.
    #[error("stopped on request")]
    Interrupted,
    /// Somebody else's transaction did not end within the time that the plan allows.
    #[error("{statement}: gave up waiting{}", .blocker.as_ref().map(|b| format!(" for {b}")).unwrap_or_default())]
    Blocked {
        /// What was to run.
        statement: String,
        /// Who was in the way, where that was seen.
        blocker: Option<Blocker>,
    },
    /// The connection is gone, and with it the word on the statement's end.
    #[error("{statement}: {error}")]
    Lost {
        /// What was running.
        statement: String,
        /// What was heard last.
        error: LiveError,
    },
    /// The server refused a statement.
    #[error("{statement}: {error}")]
    Failed {
        /// The object.
        address: Option<Address>,
        /// What was to run.
        statement: String,
        /// What the server said.
        error: LiveError,
    },
}

impl Stopped {
    /// As the history has it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Interrupted | Self::Blocked { .. } | Self::Lost { .. } => Outcome::Incomplete,
            Self::Failed { .. } => Outcome::Failed,
        }
    }
}
