//! What happens to the jobs: each rule with a schedule has its own, and what somebody changed of them is put right.

use std::collections::BTreeSet;

use super::{
    Schedule, Task,
    catalog::{Cron, Job},
    wanted::{All, Wanted},
};
use crate::{
    address::Address,
    desired::Desired,
    digest::Digest,
    hazard::HazardSet,
    kinds::{Object, retention::decide::Setting},
    live::Live,
    plan::{Action, Note, PlannedChange, Prior, Record, RelationSize, Step, TimeLimits},
    postgres::{
        name::{Ident, QualifiedName},
        routine::{self, Found},
        sql::Sql,
    },
    problem::Problem,
    scope::{Filter, Release},
    source::Source,
};

/// What was decided about all jobs.
#[derive(Debug, Default)]
pub struct Decisions {
    /// Jobs that go, before what they call.
    pub removals: Vec<PlannedChange>,
    /// Jobs that come or change, after what they call.
    pub changes: Vec<PlannedChange>,
    /// What changes nothing and is worth knowing.
    pub notes: Vec<Note>,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
}

/// What a job is to be, and what it is.
struct Sides<'a> {
    address: Address,
    /// `None`: it is to go.
    wanted: Option<&'a Wanted>,
    /// As it was applied.
    managed: Option<&'a Schedule>,
    found: Seen<'a>,
    /// What it calls, as it is there, where that comes and goes with it.
    routine: (QualifiedName, Option<&'a Found>),
}

/// What this role sees of a job.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// It is there.
    There(&'a Job),
    /// It is not.
    Missing,
    /// Jobs of others are not for its eyes.
    Hidden,
}

/// Decides about every job that is wanted or managed.
#[must_use]
pub fn decide(desired: &Desired, live: &Live, filter: &Filter, release: &Release, setting: Setting<'_>) -> Decisions {
    let (registry, limits) = (&setting.session.registry_schema, setting.limits);
    let all = All::of(desired, live, filter, release, setting);
    let mut out = Decisions { notes: all.notes, problems: all.problems, ..Decisions::default() };
    let addresses: BTreeSet<_> = all.jobs.iter().map(|wanted| wanted.schedule.address()).collect();
    for (_, schedule) in live.registry.schedules.iter().filter(|(address, _)| !addresses.contains(address)) {
        if let Some(change) = Sides::of(schedule, None, live, registry).leaves(release, live, limits) {
            out.removals.push(change);
        }
    }
    let admitted = |wanted: &&Wanted| wanted.callable && filter.admits(&wanted.schedule.address());
    for wanted in all.jobs.iter().filter(admitted) {
        let sides = Sides::of(&wanted.schedule, Some(wanted), live, registry);
        match sides.comes(live, limits) {
            Ok(change) => out.changes.extend(change),
            Err(problem) => out.problems.push(*problem),
        }
        if matches!(sides.found, Seen::Hidden) && sides.managed.is_some() {
            let text = "this role does not see the job: whether somebody changed it, is not known";
            out.notes.push(Note { of_role: true, ..Note::new(sides.address, text) });
        }
    }
    out.removals.retain(|change| filter.admits(&change.address));
    out
}

impl<'a> Sides<'a> {
    fn of(schedule: &Schedule, wanted: Option<&'a Wanted>, live: &'a Live, registry: &Ident) -> Self {
        let managed = live.registry.schedules.get(&schedule.address());
        let name = schedule.job();
        let Cron { readable, own_only, jobs, .. } = &live.cron;
        // Whose procedure it calls, his the job is: another role's are hidden from this one.
        let procedure = schedule.procedure(registry);
        let routine = live.retention.routines.get(&procedure.name);
        let foreign = routine.is_some_and(|routine| !routine.own);
        let found = match jobs.get(&name) {
            Some(job) => Seen::There(job),
            None if !readable || (*own_only && foreign) => Seen::Hidden,
            None => Seen::Missing,
        };
        let own = match schedule.task {
            Task::Refresh => routine,
            // A rule has more of them than its job calls, so they are the rule's.
            Task::Retain | Task::Vacuum => None,
        };
        Self { address: schedule.address(), wanted, managed, found, routine: (procedure, own) }
    }

    /// What makes it as it should be.
    fn comes(&self, live: &Live, limits: TimeLimits) -> Result<Option<PlannedChange>, Box<Problem>> {
        let Some(Wanted { schedule: wanted, routine, at, .. }) = self.wanted else { return Ok(None) };
        let procedure = routine.as_ref().filter(|routine| !routine.is(self.routine.1));
        let (whose, known) = (whose(wanted.task), self.managed == Some(wanted));
        let (action, reason, sql) = match (self.found, self.managed) {
            (Seen::There(job), _) if job.is(wanted) && known && procedure.is_none() => return Ok(None),
            (Seen::There(job), _) if job.is(wanted) && procedure.is_some() => {
                (Action::Update, "its procedure is not as it should be".to_owned(), None)
            }
            (Seen::There(job), None) if job.is(wanted) => {
                (Action::Adopt, "it is there as it should be".to_owned(), None)
            }
            (Seen::There(job), Some(_)) if job.is(wanted) => {
                (Action::Update, "the registry takes note".to_owned(), None)
            }
            (Seen::There(_), None) => return Err(Box::new(foreign(wanted, at.as_ref()))),
            (Seen::There(job), Some(_)) => (Action::Update, differs(job, wanted, known), Some(alter(wanted))),
            (Seen::Hidden, Some(_)) if known && procedure.is_none() => return Ok(None),
            (Seen::Hidden, Some(_)) => (Action::Update, format!("{whose} changed"), Some(alter(wanted))),
            (Seen::Missing, Some(_)) => {
                (Action::Create, "somebody has unscheduled it".to_owned(), Some(create(wanted)))
            }
            (Seen::Missing | Seen::Hidden, None) => {
                (Action::Create, format!("{whose} a schedule"), Some(create(wanted)))
            }
        };
        let undo = (action == Action::Create).then(|| unschedule(wanted));
        let job = sql.map(|sql| Step { undo: undo.clone(), ..Step::brief(sql, None, limits) });
        let steps = procedure.map(|procedure| procedure.step(limits)).into_iter().chain(job).collect();
        let object = Object::Schedule(Box::new(wanted.clone()));
        let digest = Digest::of(wanted);
        let record = Record::Manage {
            address: self.address.clone(),
            declared: digest.clone(),
            definition: digest,
            declaration: object.clone(),
        };
        Ok(Some(self.change(action, &reason, Some(object), steps, record, live)))
    }

    /// What takes it away.
    fn leaves(&self, release: &Release, live: &Live, limits: TimeLimits) -> Option<PlannedChange> {
        let managed = self.managed?;
        let record = Record::Forget { address: self.address.clone() };
        let procedure = self.routine.1.map(|found| routine::drop(&self.routine.0, found.kind));
        let procedure = procedure.map(|sql| Step::brief(sql, None, limits));
        let (action, reason, job) = match (release.get(&self.address), self.found) {
            (Some(reason), _) => return Some(self.change(Action::Forget, reason, None, Vec::new(), record, live)),
            (None, Seen::Missing) => (Action::Forget, "somebody has unscheduled it", None),
            (None, Seen::Hidden) if live.cron.version.is_none() => {
                (Action::Forget, "pg_cron is gone, and it as well", None)
            }
            (None, Seen::There(_) | Seen::Hidden) => {
                let step = Step { undo: Some(create(managed)), ..Step::brief(unschedule(managed), None, limits) };
                (Action::Drop, unwanted(managed.task), Some(step))
            }
        };
        // Where only the procedure is left, it still is a drop.
        let action = if procedure.is_some() { Action::Drop } else { action };
        Some(self.change(action, reason, None, job.into_iter().chain(procedure).collect(), record, live))
    }

    fn change(
        &self,
        action: Action,
        reason: &str,
        after: Option<Object>,
        steps: Vec<Step>,
        record: Record,
        live: &Live,
    ) -> PlannedChange {
        let table = self.address.table().clone();
        let before = self.managed.map(|managed| match self.found {
            Seen::There(job) => {
                Schedule { schedule: job.schedule.clone(), command: job.command.clone(), ..managed.clone() }
            }
            Seen::Missing | Seen::Hidden => managed.clone(),
        });
        // Who cannot see the job relies on what was applied; who sees it, on that and on what is not as it was applied.
        let strayed = match self.found {
            Seen::There(job) if self.managed.is_none_or(|managed| !job.is(managed)) => Some(job),
            Seen::There(_) | Seen::Missing | Seen::Hidden => None,
        };
        PlannedChange {
            action,
            reason: reason.to_owned(),
            before: before.filter(|_| action != Action::Create).map(|before| Object::Schedule(Box::new(before))),
            after,
            prior: Prior { managed: self.managed.is_some(), valid: true, hangs: Vec::new() },
            relies_on: Digest::of(&(self.managed, strayed, &live.cron.version, self.routine.1)),
            tree: table.clone(),
            hazards: HazardSet::new(),
            relation: RelationSize { name: table, bytes: 0, rows: None },
            estimate: None,
            steps,
            records: vec![record],
            address: self.address.clone(),
        }
    }
}

/// What a job follows from, and that it has.
fn whose(task: Task) -> &'static str {
    match task {
        Task::Retain | Task::Vacuum => "its rule has",
        Task::Refresh => "its views have",
    }
}

fn unwanted(task: Task) -> &'static str {
    match task {
        Task::Retain | Task::Vacuum => "no rule in force wants it any more",
        Task::Refresh => "no chain of views wants it any more",
    }
}

/// What somebody changed, or what it follows from.
fn differs(job: &Job, wanted: &Schedule, known: bool) -> String {
    match () {
        () if !known => format!("{} changed", whose(wanted.task)),
        () if !job.active => "somebody has switched it off".to_owned(),
        () if job.schedule != wanted.schedule => "somebody has changed its schedule".to_owned(),
        () => "somebody has changed its command".to_owned(),
    }
}

/// A job of that name which nobody knows of.
fn foreign(wanted: &Schedule, at: Option<&Source>) -> Problem {
    let name = wanted.job();
    let message = format!("there is a job `{name}` that is not reconcile's");
    let problem = at.map_or_else(|| Problem::nowhere(message.clone()), |at| Problem::new(at, message.clone()));
    problem.hint(format!("SELECT cron.unschedule('{name}'), if nobody needs it"))
}

fn create(wanted: &Schedule) -> Sql {
    let sql = Sql::new("SELECT cron.schedule(").literal(&wanted.job()).raw(", ").literal(&wanted.schedule);
    sql.raw(", ").literal(&wanted.command).raw(")")
}

fn alter(wanted: &Schedule) -> Sql {
    let sql = Sql::new("SELECT cron.alter_job(job_id := jobid, schedule := ").literal(&wanted.schedule);
    of_job(sql.raw(", command := ").literal(&wanted.command).raw(", active := true)"), wanted)
}

fn unschedule(wanted: &Schedule) -> Sql {
    of_job(Sql::new("SELECT cron.unschedule(jobid)"), wanted)
}

fn of_job(sql: Sql, wanted: &Schedule) -> Sql {
    sql.raw(" FROM cron.job WHERE database = current_database() AND jobname = ").literal(&wanted.job())
}
