//! Moves data by the rules that were applied: in batches, each in a transaction of its own, with a record of what went;
//! and brings materialized views up to date.
//! What a rule means, and every statement that it runs, is for `core` to say; how it is shown is left to `cli`.

pub mod applied;
mod batch_size;
mod context;
pub mod due;
pub mod event;
mod files;
mod lag;
mod lock;
pub mod preview;
mod record;
pub mod refresh;
mod refreshed;
pub mod restore;
pub mod retain;
mod stoppable;
mod vacuum;
mod walk;

use std::{path::PathBuf, time::Duration};

use reconcile_apply::registry::Registry;
use reconcile_core::postgres::name::Ident;
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

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

/// Whether nothing can be written: on a standby, or by a setting.
///
/// # Errors
/// The connection or the server fails.
pub async fn is_read_only(session: &mut Session) -> Result<bool, LiveError> {
    let row = session.row("SELECT current_setting('transaction_read_only')::bool").await?;
    Ok(row.map(|row| row.try_get(0)).transpose()? == Some(true))
}
