//! The jobs that are there, as far as this role sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Schedule;

/// What is known of `pg_cron`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cron {
    /// The version of the extension in this database; `None`: it is not installed there.
    pub version: Option<String>,
    /// This role may read `cron.job`.
    pub readable: bool,
    /// It sees its own jobs only.
    pub own_only: bool,
    /// The time zone of all schedules.
    pub timezone: String,
    /// The jobs of this database that have a name.
    pub jobs: BTreeMap<String, Job>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// When.
    pub schedule: String,
    /// The statement.
    pub command: String,
    /// Whether it runs at all.
    pub active: bool,
}

/// The jobs of this database: name, schedule, command, whether it is active.
pub const JOBS: &str = "SELECT jobname, schedule, command, active FROM cron.job \
    WHERE database = current_database() AND jobname IS NOT NULL";

impl Job {
    /// Whether it does what it should.
    #[must_use]
    pub fn is(&self, wanted: &Schedule) -> bool {
        self.active && self.schedule == wanted.schedule && self.command == wanted.command
    }
}
