//! Moves data by the rules that were applied: in batches, each in a transaction of its own, with a record of what went;
//! and brings materialized views up to date.
//! What a rule means, and every statement that it runs, is for `core` to say; how it is shown is left to `cli`.

mod after_refresh;
pub mod applied;
mod batch;
mod batch_size;
mod cancellable;
mod context;
pub mod due;
pub mod event;
mod family;
mod files;
mod lag;
pub mod preview;
mod record;
pub mod refresh;
pub mod restore;
pub mod retain;
mod run_error;
mod run_lock;
pub mod run_outcome;
mod vacuum;
mod walk;

use std::{path::PathBuf, time::Duration};

use reconcile_apply::registry::Registry;
use reconcile_core::postgres::name::Ident;

/// What every command on rules needs to know of the project.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where rules and records are.
    pub registry: Registry,
    /// The project's folder, which folders of archives are below.
    pub root: PathBuf,
    /// For names without a schema in a rule's `where`.
    pub search_path: Vec<Ident>,
    /// How long a batch waits for a lock.
    pub lock_timeout: Duration,
    /// How often a batch is tried again where it had to wait too long.
    pub retries: u32,
}
