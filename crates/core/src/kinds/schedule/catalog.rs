//! The existing jobs, as far as this role can see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::postgres::{
    batch::{Answers, Asked, Batch},
    rows::DecodeError,
};

/// Facts about `pg_cron`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// The version of the extension in this database; `None`: it is not installed.
    pub version: Option<String>,
    /// Whether this role may read `cron.job`.
    pub readable: bool,
    /// Whether this role sees only its own jobs.
    pub own_only: bool,
    /// The time zone of all schedules.
    pub timezone: String,
    /// The jobs of this database that have a name.
    pub jobs: BTreeMap<String, Job>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its cron expression.
    pub schedule: String,
    /// Its statement.
    pub command: String,
    /// Whether it is active.
    pub active: bool,
}

/// The query for the extension: its version, whether this role can read jobs, whether it sees only its own, and its
/// time zone.
const CRON: &str = "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'), \
    coalesce(has_schema_privilege(to_regnamespace('cron'), 'USAGE') \
    AND has_table_privilege(to_regclass('cron.job'), 'SELECT'), false), \
    coalesce(row_security_active(to_regclass('cron.job')), false), \
    coalesce(current_setting('cron.timezone', true), 'GMT')";

/// The jobs of this database: name, schedule, command, whether it is active.
const JOBS: &str = "SELECT jobname, schedule, command, active FROM cron.job \
    WHERE database = current_database() AND jobname IS NOT NULL";

/// Asks for the extension.
pub fn ask(batch: &mut Batch) -> Asked {
    batch.ask(CRON)
}

impl Cron {
    /// Reads the extension, without its jobs.
    ///
    /// # Errors
    /// The row does not have the form of the query.
    pub fn read(asked: Asked, answers: &mut Answers) -> Result<Self, DecodeError> {
        let rows = answers.take(asked)?;
        let row = rows.one()?;
        Ok(Self {
            version: row.get(0)?,
            readable: row.get(1)?,
            own_only: row.get(2)?,
            timezone: row.get(3)?,
            jobs: BTreeMap::new(),
        })
    }

    /// Asks for the jobs, as far as this role sees them.
    pub fn ask_jobs(&self, batch: &mut Batch) -> Option<Asked> {
        self.readable.then(|| batch.ask(JOBS))
    }

    /// Completes the live side with the jobs.
    ///
    /// # Errors
    /// The rows do not have the form of the query.
    pub fn complete(&mut self, asked: Option<Asked>, answers: &mut Answers) -> Result<(), DecodeError> {
        let Some(asked) = asked else { return Ok(()) };
        for row in answers.take(asked)?.iter() {
            let job = Job { schedule: row.get(1)?, command: row.get(2)?, active: row.get(3)? };
            self.jobs.insert(row.get(0)?, job);
        }
        Ok(())
    }
}

impl Job {
    /// Whether the job is active and equals the wanted one.
    #[must_use]
    pub fn is(&self, wanted: &Schedule) -> bool {
        self.active && self.schedule == wanted.schedule && self.command == wanted.command
    }
}
