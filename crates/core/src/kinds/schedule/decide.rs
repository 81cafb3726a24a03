//! Plans the changes of jobs. Each rule with a schedule has its own job; changes that others made to a job are undone.

use std::collections::BTreeSet;

use super::{
    Schedule, Task, View,
    catalog::{Cron, Job},
    former::Former,
    wanted::{All, Wanted},
};
use crate::{
    address::Address,
    change::{Action, Change, Impact, Note, Prior, Record, Step},
    digest::Digest,
    hazard::HazardSet,
    kind::{Context, Part, Projection, Stage},
    postgres::{
        name::QualifiedName,
        routine::{self, Found},
        sql::Sql,
    },
    problem::Problem,
    source::Source,
};

/// The wanted and the live side of a job.
struct Sides<'a> {
    address: Address,
    task: Task,
    cron: &'a Cron,
    /// The wanted job; `None`: it will be removed.
    wanted: Option<&'a Wanted>,
    /// The job as it was applied.
    managed: Option<&'a Schedule>,
    found: Seen<'a>,
    /// The live routine of the job, if it belongs to the job alone.
    routine: (QualifiedName, Option<&'a Found>),
    former: Former,
}

/// What this role can see of a job.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// The job exists.
    There(&'a Job),
    /// It does not exist.
    Missing,
    /// This role cannot see the jobs of other roles.
    Hidden,
}

/// Plans the changes of every job that is wanted or managed.
pub(super) fn plan(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Part<Schedule> {
    let all = All::of(context, view);
    let mut out = Part { notes: all.notes, problems: all.problems, ..Part::default() };
    let addresses: BTreeSet<_> = all.jobs.iter().map(|wanted| wanted.schedule.address()).collect();
    let wanted = all.jobs.iter().map(|wanted| &wanted.schedule);
    let names = wanted.chain(view.live.made.values()).map(Schedule::job).collect();
    let mut removals = Vec::new();
    for (_, schedule) in view.live.made.iter().filter(|(address, _)| !addresses.contains(address)) {
        removals.extend(Sides::of(schedule, None, &names, context, view).leaves(context, ahead));
    }
    removals.retain(|change| context.scope.admits(&change.address));
    out.changes.extend(removals.into_iter().map(|change| (Stage::Unscheduling, change)));
    let admitted = |wanted: &&Wanted| wanted.callable && context.scope.admits(&wanted.schedule.address());
    for wanted in all.jobs.iter().filter(admitted) {
        let sides = Sides::of(&wanted.schedule, Some(wanted), &names, context, view);
        match sides.comes(context, ahead) {
            Ok(change) => out.changes.extend(change.map(|change| (Stage::Scheduling, change))),
            Err(problem) => out.problems.push(*problem),
        }
        if matches!(sides.found, Seen::Hidden) && sides.managed.is_some() {
            let text = "this role does not see the job: whether somebody changed it, is not known";
            out.notes.push(Note { of_role: true, ..Note::new(sides.address, text) });
        }
    }
    out
}

impl<'a> Sides<'a> {
    fn of(
        schedule: &Schedule,
        wanted: Option<&'a Wanted>,
        names: &BTreeSet<String>,
        context: Context<'a>,
        view: View<'a>,
    ) -> Self {
        let managed = view.live.made.get(&schedule.address());
        let name = schedule.job();
        let Cron { readable, own_only, jobs, .. } = &view.live.cron;
        // The owner of the procedure also owns the job, and this role cannot see another role's job.
        let procedure = schedule.procedure(&context.session.registry_schema);
        let routine = context.registry.routines.get(&procedure.name);
        let foreign = routine.is_some_and(|routine| !routine.own);
        let found = match jobs.get(&name) {
            Some(job) => Seen::There(job),
            None if !readable || (*own_only && foreign) => Seen::Hidden,
            None => Seen::Missing,
        };
        let own = match schedule.task {
            Task::Refresh => routine,
            // A rule has more routines than its job calls, so they belong to the rule.
            Task::Retain | Task::Vacuum => None,
        };
        let former = managed.map(|_| Former::of(schedule, names, context, view)).unwrap_or_default();
        let (address, cron) = (schedule.address(), &view.live.cron);
        Self { address, task: schedule.task, cron, wanted, managed, found, routine: (procedure, own), former }
    }

    /// The change that creates or corrects the job.
    fn comes(&self, context: Context<'_>, ahead: &Projection) -> Result<Option<Change<Schedule>>, Box<Problem>> {
        let limits = context.limits;
        let Some(Wanted { schedule: wanted, routine, at, .. }) = self.wanted else { return Ok(None) };
        let procedure = routine.as_ref().filter(|routine| !routine.is(self.routine.1));
        let complete = procedure.is_none() && self.former.is_empty();
        let (whose, known) = (whose(wanted.task), self.managed == Some(wanted));
        let (action, reason, sql) = match (self.found, self.managed) {
            (Seen::There(job), _) if job.is(wanted) && known && complete => return Ok(None),
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
            (Seen::Hidden, Some(_)) if known && complete => return Ok(None),
            (Seen::Hidden, Some(_)) => (Action::Update, format!("{whose} changed"), Some(alter(wanted))),
            (Seen::Missing, Some(_)) if !self.former.jobs.is_empty() => {
                (Action::Update, "its name was too long, and becomes one that fits".to_owned(), Some(create(wanted)))
            }
            (Seen::Missing, Some(_)) => {
                (Action::Create, "somebody has unscheduled it".to_owned(), Some(create(wanted)))
            }
            (Seen::Missing | Seen::Hidden, None) => {
                (Action::Create, format!("{whose} a schedule"), Some(create(wanted)))
            }
        };
        let undo = (action == Action::Create).then(|| unschedule(&wanted.job()));
        let job = sql.map(|sql| Step { undo: undo.clone(), ..Step::brief(sql, None, limits) });
        let procedure = procedure.map(|procedure| Step::of_routine(procedure, limits));
        let before = self.former.unschedule(context);
        let steps = before.chain(procedure).chain(job).chain(self.former.drop_procedure(context)).collect();
        let digest = Digest::of(wanted);
        let record = Record::manage(self.address.clone(), &digest, digest.clone(), wanted);
        Ok(Some(self.change(action, &reason, Some(wanted.clone()), steps, record, ahead)))
    }

    /// The change that removes the job.
    fn leaves(&self, context: Context<'_>, ahead: &Projection) -> Option<Change<Schedule>> {
        let limits = context.limits;
        let managed = self.managed?;
        let record = Record::Forget { address: self.address.clone() };
        let procedure = self.routine.1.map(|found| routine::drop(&self.routine.0, found.kind));
        let procedure = procedure.map(|sql| Step::brief(sql, None, limits)).into_iter();
        let former: Vec<_> = self.former.unschedule(context).chain(self.former.drop_procedure(context)).collect();
        let others: Vec<_> = procedure.chain(former).collect();
        let (action, reason, job) = match (context.scope.released(&self.address), self.found) {
            (Some(reason), _) => return Some(self.change(Action::Forget, reason, None, Vec::new(), record, ahead)),
            (None, Seen::Missing) => (Action::Forget, "somebody has unscheduled it", None),
            (None, Seen::Hidden) if self.cron.version.is_none() => {
                (Action::Forget, "pg_cron is gone, and it as well", None)
            }
            (None, Seen::There(_) | Seen::Hidden) => {
                let sql = unschedule(&managed.job());
                let step = Step { undo: Some(create(managed)), ..Step::brief(sql, None, limits) };
                (Action::Drop, unwanted(managed.task), Some(step))
            }
        };
        // If only the procedure is left, the change is still a drop.
        let action = if others.is_empty() { action } else { Action::Drop };
        Some(self.change(action, reason, None, job.into_iter().chain(others).collect(), record, ahead))
    }

    fn change(
        &self,
        action: Action,
        reason: &str,
        after: Option<Schedule>,
        steps: Vec<Step>,
        record: Record,
        ahead: &Projection,
    ) -> Change<Schedule> {
        let table = self.address.relation();
        // The jobs of views use the lane of the views.
        let lane = ahead.lane.as_ref().filter(|_| self.task == Task::Refresh && self.wanted.is_some());
        let before = self.managed.map(|managed| match self.found {
            Seen::There(job) => {
                Schedule { schedule: job.schedule.clone(), command: job.command.clone(), ..managed.clone() }
            }
            Seen::Missing | Seen::Hidden => managed.clone(),
        });
        // A role that cannot see the job relies on what was applied. Another also relies on what differs from that.
        let strayed = match self.found {
            Seen::There(job) if self.managed.is_none_or(|managed| !job.is(managed)) => Some(job),
            Seen::There(_) | Seen::Missing | Seen::Hidden => None,
        };
        Change {
            action,
            reason: reason.to_owned(),
            before: before.filter(|_| action != Action::Create),
            after,
            takes_in: Vec::new(),
            prior: Prior { managed: self.managed.is_some(), valid: true, hangs: Vec::new() },
            relies_on: self.relies_on(strayed),
            lane: lane.unwrap_or(table).clone(),
            hazards: HazardSet::new(),
            impact: Impact::unknown(table),
            steps,
            records: vec![record],
            address: self.address.clone(),
        }
    }
}

impl Sides<'_> {
    fn relies_on(&self, strayed: Option<&Job>) -> Digest {
        let facts = (self.managed, strayed, &self.cron.version, self.routine.1);
        if self.former.is_empty() { Digest::of(&facts) } else { Digest::of(&(facts, &self.former)) }
    }
}

/// The object that a job belongs to, with a verb, for a sentence.
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

/// What differs: somebody has changed the job, or its object has changed.
fn differs(job: &Job, wanted: &Schedule, known: bool) -> String {
    match () {
        () if !known => format!("{} changed", whose(wanted.task)),
        () if !job.active => "somebody has switched it off".to_owned(),
        () if job.schedule != wanted.schedule => "somebody has changed its schedule".to_owned(),
        () => "somebody has changed its command".to_owned(),
    }
}

/// The problem with an unmanaged job of that name.
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
    of_job(sql.raw(", command := ").literal(&wanted.command).raw(", active := true)"), &wanted.job())
}

pub(super) fn unschedule(job: &str) -> Sql {
    of_job(Sql::new("SELECT cron.unschedule(jobid)"), job)
}

fn of_job(sql: Sql, job: &str) -> Sql {
    sql.raw(" FROM cron.job WHERE database = current_database() AND jobname = ").literal(job)
}
