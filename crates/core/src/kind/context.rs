//! What a kind plans against, the same for all kinds.

use crate::{
    change::{SessionSettings, TimeLimits},
    postgres::cron::Runner,
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
    pub scheduler: Option<Runner>,
}

/// What a kind asks the server with, beside its own sides.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// As for planning.
    pub context: Context<'a>,
    /// This role may make temporary objects here, which the server parses and prints declared SQL with.
    pub may_make_temporary: bool,
}
