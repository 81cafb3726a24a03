//! How an apply may behave: what the project, the command line and the history say.

use std::num::NonZeroU32;

use crate::registry::{Registry, Run};

/// How an apply may behave.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Where registry and history live.
    pub registry: Registry,
    /// How often a statement that did not get its lock is tried again.
    pub retries: u32,
    /// How many builds may run side by side.
    pub parallel: NonZeroU32,
    /// What the history says of the run.
    pub run: Run,
}
