//! What a kind plans against, the same for all kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    change::{SessionSettings, TimeLimits},
    registry::Registry,
    scope::Scope,
    server::{DatabaseId, Vocabulary},
};

/// What a kind plans against, beside its own sides.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where the live side was read.
    pub database: &'a DatabaseId,
    /// The names that exist there.
    pub vocabulary: &'a Vocabulary,
    /// What is reconcile's own.
    pub registry: &'a Registry,
    /// How far the plan may go.
    pub scope: &'a Scope,
    /// How long steps may wait.
    pub limits: TimeLimits,
    /// How the session of the steps is set up.
    pub session: &'a SessionSettings,
    /// Who runs what is due; `None` where the project does not say.
    pub scheduler: Option<Scheduler>,
}

/// Who runs what is due: retention, refreshes, partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// Jobs of the extension `pg_cron` in the database.
    PgCron,
    /// Something outside that calls `reconcile maintain`.
    External,
}

/// What a kind asks the server with, beside its own sides.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// As for planning.
    pub context: Context<'a>,
    /// This role may make temporary objects here, which the server parses and prints declared SQL with.
    pub may_make_temporary: bool,
}
