//! The jobs of the extension `pg_cron`. They are not declared; each one follows from an object that has a schedule.
//! `wanted` and `chains` say which jobs there have to be, `catalog` reads the live ones, and `decide` plans the
//! changes.

pub mod catalog;
mod chains;
pub mod decide;
mod former;
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

/// The jobs, and the objects that they follow from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The live side.
    pub live: &'a Live,
    /// The retention rules, and the materialized views.
    pub rules: retention::View<'a>,
}

/// Everything that is known about jobs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The jobs in the database.
    pub cron: Cron,
    /// The jobs that reconcile manages.
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

    /// A job follows from its rule or its views, so restoring those restores it.
    fn restore<O>(_: &Change<O>, _: &Schedule, _: Option<&Schedule>, _: &mut Undoing, (): &mut ()) {}
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What it does.
    pub task: Task,
    /// The table of its rule, or the first view of its chain.
    pub table: QualifiedName,
    /// Its cron expression, in the time zone of `pg_cron`.
    pub schedule: String,
    /// Its statement.
    pub command: String,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Runs a retention rule.
    Retain,
    /// Vacuums the tables that a rule has deleted from, which a procedure cannot do (docs/pitfalls.md, "VACUUM cannot
    /// run in a procedure").
    Vacuum,
    /// Refreshes a chain of views.
    Refresh,
}

/// Minutes between the start of a rule and the VACUUM of its tables.
const MINUTES_LATER: u32 = 30;

/// Whether jobs exist or may be wanted.
#[must_use]
pub fn concerns(view: View<'_>, scheduler: Option<Runner>) -> bool {
    let any = || view.rules.views.desired.iter().any(|declared| declared.object.schedule().is_some());
    !view.live.made.is_empty() || scheduler == Some(Runner::PgCron) && any()
}

impl Schedule {
    /// Its address in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::of_task(Schedules::NAME, self.task.name(), &self.table)
    }

    /// Its name in `cron.job`: the address without the kind, within the limit of names, which that column has before
    /// version 1.5 of `pg_cron`.
    #[must_use]
    pub fn job(&self) -> String {
        let name = self.address().rest();
        Ident::generated(&name, &name).into()
    }

    /// The names that earlier versions gave it in `cron.job`, if its name was too long: the whole one, and what version
    /// 1.4 of `pg_cron` stored of it.
    #[must_use]
    pub fn former_jobs(&self) -> Vec<String> {
        let name = self.address().rest();
        Ident::cut(&name).map(|cut| vec![cut.into(), name]).unwrap_or_default()
    }

    /// The jobs of a rule; empty if it has no schedule.
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

    /// The job of a chain of views, named after the first view.
    #[must_use]
    pub fn of_chain(first: &QualifiedName, schedule: &str, registry: &Ident) -> Self {
        let command = call(&matview::routine::procedure_name(first, registry)).to_string();
        Self { task: Task::Refresh, table: first.clone(), schedule: schedule.to_owned(), command }
    }

    /// The procedure that it calls.
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
    /// The name in addresses and jobs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Vacuum => "vacuum",
            Self::Refresh => "refresh",
        }
    }
}

/// A schedule some minutes later than another one, if that has a plain minute. A schedule without one runs often
/// enough.
fn later(schedule: &str) -> String {
    let fields: Vec<_> = schedule.split_whitespace().collect();
    let [minute, hour, rest @ ..] = fields.as_slice() else { return schedule.to_owned() };
    let Ok(minute) = minute.parse::<u32>() else { return schedule.to_owned() };
    let (over, minute) = ((minute + MINUTES_LATER) / 60, (minute + MINUTES_LATER) % 60);
    let hour = match hour.parse::<u32>() {
        Ok(hour) if hour + over < 24 => (hour + over).to_string(),
        // The VACUUM is on the next day, which a day of the month or of the week cannot follow.
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
