//! What all kinds plan with.

use crate::{
    change::{SessionSettings, TimeLimits},
    postgres::cron::Runner,
    registry::Registry,
    scope::Scope,
    server::{DatabaseId, Vocabulary},
};
/// What a kind plans with, besides its declared and live side.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The database that the live side was read from.
    pub database: &'a DatabaseId,
    /// The names that exist in it.
    pub vocabulary: &'a Vocabulary,
    /// What reconcile manages.
    pub registry: &'a Registry,
    /// The limits of the plan.
    pub scope: &'a Scope,
    /// How long steps may wait.
    pub limits: TimeLimits,
    /// The session settings of the steps.
    pub session: &'a SessionSettings,
    /// Who runs the work that is due; `None` if the project does not say.
    pub scheduler: Option<Runner>,
}

/// What a kind needs to ask the server, besides its declared and live side.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// What it plans with.
    pub context: Context<'a>,
    /// Whether this role may create temporary objects. The server parses and prints declared SQL with them.
    pub may_make_temporary: bool,
}
