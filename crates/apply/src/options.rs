//! The options of an apply, from the project and the command line.

use std::num::NonZeroU32;

use crate::registry::{Registry, Run};

/// The options of an apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The registry and history to write to.
    pub registry: Registry,
    /// How often a statement that did not get its lock in time is tried again.
    pub retries: u32,
    /// How many builds may run at the same time.
    pub parallel: NonZeroU32,
    /// What the history records about the run.
    pub run: Run,
}
