//! What runs in the database at its time: jobs of the extension `pg_cron`. Nobody declares one; each follows from
//! something that has a schedule: which ones there are to be is in `wanted` and `chains`, how live ones are read in
//! `facts`, and what becomes of them in `decide`.

pub mod catalog;
mod chains;
pub mod decide;
mod wanted;

use crate::{
    address::{Address, KindName, Shape},
    change::{Action, Change},
    kind::{Context, Describe, Kind, Part, Projection, Undoing},
    postgres::{
        cron::Runner,
        name::{Ident, QualifiedName},
        routine::SharedRoutine,
        sql::Sql,
    },
};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use catalog::Cron;

use super::{
    matview,
    retention::{self, Rule, batch, routine},
};

/// The kind.
#[derive(Debug)]
pub enum Schedules {}

/// The jobs that there are, and what they follow from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is live.
    pub live: &'a Live,
    /// The retention rules, and the materialized views.
    pub rules: retention::View<'a>,
}

/// All that is known of jobs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The jobs in the database.
    pub cron: Cron,
    /// Those that reconcile has made.
    pub made: BTreeMap<Address, Schedule>,
}

impl Kind for Schedules {
    const NAME: KindName = KindName::new("schedule");
    const SHAPE: Shape = Shape::Task(&["retain", "vacuum", "refresh"]);
    const EXAMPLE: &'static str = "schedule/retain:schema.table";
    const READS_DECLARATIONS: bool = true;
    const ROUTINES: &'static [SharedRoutine] = &[];

    type Object = Schedule;
    type View<'a> = View<'a>;
    type Former = ();

    fn plan(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Part<Schedule> {
        decide::plan(context, view, ahead)
    }

    /// It follows from its rule, or from its views.
    fn restore<O>(_: &Change<O>, _: &Schedule, _: Option<&Schedule>, _: &mut Undoing, (): &mut ()) {}
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
    /// Vacuums what a rule's run has touched, which no procedure can (docs/pitfalls.md, "VACUUM cannot run in a
    /// procedure").
    Vacuum,
    /// Refreshes a chain of views.
    Refresh,
}

/// How long after a rule the VACUUM of its tables begins.
const MINUTES_LATER: u32 = 30;

/// Whether there are jobs, or may be some to make.
#[must_use]
pub fn concerns(view: View<'_>, scheduler: Option<Runner>) -> bool {
    let any = || view.rules.views.desired.iter().any(|declared| declared.object.schedule().is_some());
    !view.live.made.is_empty() || scheduler == Some(Runner::PgCron) && any()
}

impl Schedule {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::of_task(Schedules::NAME, self.task.name(), &self.table)
    }

    /// What `cron.job` calls it: the address without its kind.
    #[must_use]
    pub fn job(&self) -> String {
        self.address().rest()
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
}

impl Describe for Schedule {
    fn lines(&self) -> String {
        format!("job {}\n  at {}\n  {}\n", self.job(), self.schedule, self.command)
    }

    fn depends_on_size(&self, _action: Action) -> bool {
        false
    }
}

fn call(procedure: &QualifiedName) -> Sql {
    Sql::new("CALL ").name(procedure).raw("()")
}

impl Task {
    /// As addresses and jobs have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Vacuum => "vacuum",
            Self::Refresh => "refresh",
        }
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
