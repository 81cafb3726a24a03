//! What runs in the database at its time: jobs of the extension `pg_cron`. Nobody declares one; each follows from
//! something that has a schedule: which ones there are to be is in `wanted` and `chains`, how live ones are read in
//! `facts`, and what becomes of them in `decide`.

pub mod catalog;
mod chains;
pub mod decide;
mod wanted;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    matview,
    retention::{Rule, batch, routine},
};
use crate::{
    address::Address,
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};

/// Who runs what is due: retention, refreshes, partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// Jobs of the extension `pg_cron` in the database.
    PgCron,
    /// Something outside that calls `reconcile maintain`.
    External,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What it does.
    pub task: Task,
    /// To which table, or to the chain of which view.
    pub table: QualifiedName,
    /// When, as cron writes it, in the time zone of `pg_cron`.
    pub schedule: String,
    /// The statement.
    pub command: String,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Runs a retention rule.
    Retain,
    /// Vacuums what a rule's run has touched, which no procedure can (TRAPS 18).
    Vacuum,
    /// Refreshes a chain of views.
    Refresh,
}

/// How long after a rule the VACUUM of its tables begins.
const MINUTES_LATER: u32 = 30;

impl Schedule {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Schedule { task: self.task, table: self.table.clone() }
    }

    /// What `cron.job` calls it: the address without its kind.
    #[must_use]
    pub fn job(&self) -> String {
        job_name(self.task, &self.table)
    }

    /// The jobs of a rule; none, where it has no schedule.
    #[must_use]
    pub fn of_rule(rule: &Rule, registry: &Ident) -> Vec<Self> {
        let Some(schedule) = &rule.schedule else { return Vec::new() };
        let run = call(&routine::procedure_name(&rule.table, registry));
        let of = |task, schedule: String, command: &Sql| Self {
            task,
            table: rule.table.clone(),
            schedule,
            command: command.to_string(),
        };
        let mut jobs = vec![of(Task::Retain, schedule.clone(), &run)];
        if rule.vacuum {
            let children = rule.children.iter().map(|child| &child.table);
            let tables = children.chain([&rule.table]).chain(rule.archive());
            jobs.push(of(Task::Vacuum, later(schedule), &batch::vacuum(tables)));
        }
        jobs
    }

    /// The job of a chain of views, which goes by the name of the first.
    #[must_use]
    pub fn of_chain(first: &QualifiedName, schedule: &str, registry: &Ident) -> Self {
        let command = call(&matview::routine::procedure_name(first, registry)).to_string();
        Self { task: Task::Refresh, table: first.clone(), schedule: schedule.to_owned(), command }
    }

    /// The procedure that stands behind it.
    #[must_use]
    pub fn procedure(&self, registry: &Ident) -> QualifiedName {
        match self.task {
            Task::Retain | Task::Vacuum => routine::procedure_name(&self.table, registry),
            Task::Refresh => matview::routine::procedure_name(&self.table, registry),
        }
    }

    /// The job over several lines, for people to compare.
    #[must_use]
    pub fn lines(&self) -> String {
        format!("job {}\n  at {}\n  {}\n", self.job(), self.schedule, self.command)
    }
}

fn call(procedure: &QualifiedName) -> Sql {
    Sql::new("CALL ").name(procedure).raw("()")
}

/// What `cron.job` calls the job of a task.
#[must_use]
pub fn job_name(task: Task, table: &QualifiedName) -> String {
    format!("{task}:{table}")
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retain => "retain",
            Self::Vacuum => "vacuum",
            Self::Refresh => "refresh",
        })
    }
}

impl FromStr for Task {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Retain, Self::Vacuum, Self::Refresh].into_iter().find(|task| task.to_string() == text).ok_or(())
    }
}

/// A schedule that follows another one, where that has a plain minute; one that has none runs often enough by itself.
fn later(schedule: &str) -> String {
    let fields: Vec<_> = schedule.split_whitespace().collect();
    let [minute, hour, rest @ ..] = fields.as_slice() else { return schedule.to_owned() };
    let Ok(minute) = minute.parse::<u32>() else { return schedule.to_owned() };
    let (over, minute) = ((minute + MINUTES_LATER) / 60, (minute + MINUTES_LATER) % 60);
    let hour = match hour.parse::<u32>() {
        Ok(hour) if hour + over < 24 => (hour + over).to_string(),
        // Into the next day, which a day of the month or of the week does not follow.
        Ok(_) if rest.iter().all(|field| *field == "*") => "0".to_owned(),
        Ok(_) => return schedule.to_owned(),
        Err(_) => (*hour).to_owned(),
    };
    format!("{minute} {hour} {}", rest.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vacuum_follows_its_rule() {
        for (schedule, expected) in [
            ("0 2 * * *", "30 2 * * *"),
            ("45 2 * * *", "15 3 * * *"),
            ("45 23 * * *", "15 0 * * *"),
            ("45 23 * * 0", "45 23 * * 0"),
            ("10 */4 * * *", "40 */4 * * *"),
            ("*/15 * * * *", "*/15 * * * *"),
        ] {
            assert_eq!(later(schedule), expected);
        }
    }
}
