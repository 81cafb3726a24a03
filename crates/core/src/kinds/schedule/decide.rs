//! What happens to the jobs: each rule with a schedule has its own, and what somebody changed of them is put right.

use std::collections::BTreeSet;

use super::{
    Schedule, Scheduler,
    facts::{Cron, Job},
};
use crate::{
    address::Address,
    desired::{DeclaredRule, Desired},
    digest::Digest,
    hazard::HazardSet,
    kinds::{
        Object,
        retention::{self, decide::Setting},
    },
    live::Live,
    name::Ident,
    plan::{Action, Note, PlannedChange, Prior, Record, RelationSize, Step, TimeLimits},
    problem::Problem,
    scope::{Filter, Release},
    sql::Sql,
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
    wanted: Option<&'a Schedule>,
    /// As it was applied.
    managed: Option<&'a Schedule>,
    found: Seen<'a>,
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
    let mut out = Decisions::default();
    let mut wanted = Vec::new();
    if desired.scheduler == Some(Scheduler::PgCron) {
        for declared in &desired.rules {
            wanted.extend(of_rule(declared, live, registry, &mut out));
        }
    }
    let addresses: BTreeSet<_> = wanted.iter().map(|(wanted, _)| wanted.address()).collect();
    for (_, schedule) in live.registry.schedules.iter().filter(|(address, _)| !addresses.contains(address)) {
        if let Some(change) = Sides::of(schedule, None, live, registry).leaves(release, live, limits) {
            out.removals.push(change);
        }
    }
    for (schedule, declared) in &wanted {
        let sides = Sides::of(schedule, Some(schedule), live, registry);
        let rule = &declared.rule;
        let callable = filter.admits(&rule.address()) || live.registry.rules.contains_key(&rule.table);
        if !filter.admits(&sides.address) || !callable {
            continue;
        }
        match sides.comes(declared, live, limits) {
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

/// The jobs of a rule, where `pg_cron` can run it.
fn of_rule<'a>(
    declared: &'a DeclaredRule,
    live: &Live,
    registry: &Ident,
    out: &mut Decisions,
) -> Vec<(Schedule, &'a DeclaredRule)> {
    let rule = &declared.rule;
    let Some(schedule) = &rule.schedule else { return Vec::new() };
    let (address, at) = (rule.address(), declared.at.key("schedule"));
    if matches!(rule.action, retention::Action::ArchiveFiles(_)) {
        let text = format!("pg_cron writes no files: have `reconcile retain` called at `{schedule}`");
        out.notes.push(Note::new(address, text));
        return Vec::new();
    }
    let Some(version) = &live.cron.version else {
        let problem = Problem::new(&at, "the project's `scheduler` is pg_cron, which this database has not installed");
        let hint = "CREATE EXTENSION pg_cron in the database that `cron.database_name` names, or `scheduler: external`";
        out.problems.push(problem.hint(hint));
        return Vec::new();
    };
    if is_before_1_4(version) {
        let problem =
            Problem::new(&at, format!("pg_cron is of version {version}, and 1.4 is the first that can do this"));
        out.problems.push(problem.hint("ALTER EXTENSION pg_cron UPDATE, or `scheduler: external`"));
        return Vec::new();
    }
    let zone = &live.cron.timezone;
    if rule.zone() != zone
        && !(is_utc(rule.zone()) && is_utc(zone))
        && live.registry.rules.get(&rule.table) != Some(rule)
    {
        let text = format!("pg_cron reads `{schedule}` in the time zone {zone}, not in the rule's {}", rule.zone());
        out.notes.push(Note::new(address, text));
    }
    Schedule::of_rule(rule, registry).into_iter().map(|schedule| (schedule, declared)).collect()
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "GMT", "Etc/UTC"].contains(&zone)
}

fn is_before_1_4(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (1, 4)
}

impl<'a> Sides<'a> {
    fn of(schedule: &'a Schedule, wanted: Option<&'a Schedule>, live: &'a Live, registry: &Ident) -> Self {
        let managed = live.registry.schedules.get(&schedule.address());
        let name = schedule.job();
        let Cron { readable, own_only, jobs, .. } = &live.cron;
        // Whose procedure it calls, his the job is: another role's are hidden from this one.
        let procedure = retention::routine::procedure_name(&schedule.table, registry);
        let foreign = live.retention.routines.get(&procedure.name).is_some_and(|routine| !routine.own);
        let found = match jobs.get(&name) {
            Some(job) => Seen::There(job),
            None if !readable || (*own_only && foreign) => Seen::Hidden,
            None => Seen::Missing,
        };
        Self { address: schedule.address(), wanted, managed, found }
    }

    /// What makes it as it should be.
    fn comes(
        &self,
        declared: &DeclaredRule,
        live: &Live,
        limits: TimeLimits,
    ) -> Result<Option<PlannedChange>, Box<Problem>> {
        let Some(wanted) = self.wanted else { return Ok(None) };
        let known = self.managed == Some(wanted);
        let (action, reason, sql) = match (self.found, self.managed) {
            (Seen::There(job), _) if job.is(wanted) && known => return Ok(None),
            (Seen::There(job), None) if job.is(wanted) => (Action::Adopt, "it is there as it should be", None),
            (Seen::There(job), Some(_)) if job.is(wanted) => (Action::Update, "the registry takes note", None),
            (Seen::There(_), None) => {
                let name = wanted.job();
                let problem = Problem::new(
                    &declared.at.key("schedule"),
                    format!("there is a job `{name}` that is not reconcile's"),
                );
                return Err(Box::new(problem.hint(format!("SELECT cron.unschedule('{name}'), if nobody needs it"))));
            }
            (Seen::There(job), Some(_)) => (Action::Update, differs(job, wanted, known), Some(alter(wanted))),
            (Seen::Hidden, Some(_)) if known => return Ok(None),
            (Seen::Hidden, Some(_)) => (Action::Update, "its rule has changed", Some(alter(wanted))),
            (Seen::Missing, Some(_)) => (Action::Create, "somebody has unscheduled it", Some(create(wanted))),
            (Seen::Missing | Seen::Hidden, None) => (Action::Create, "its rule has a schedule", Some(create(wanted))),
        };
        let undo = (action == Action::Create).then(|| unschedule(wanted));
        let steps = sql.into_iter().map(|sql| Step { undo: undo.clone(), ..Step::brief(sql, None, limits) });
        let steps = steps.collect();
        let object = Object::Schedule(Box::new(wanted.clone()));
        let digest = Digest::of(wanted);
        let record = Record::Manage {
            address: self.address.clone(),
            declared: digest.clone(),
            definition: digest,
            declaration: object.clone(),
        };
        Ok(Some(self.change(action, reason, Some(object), steps, record, live)))
    }

    /// What takes it away.
    fn leaves(&self, release: &Release, live: &Live, limits: TimeLimits) -> Option<PlannedChange> {
        let managed = self.managed?;
        let record = Record::Forget { address: self.address.clone() };
        let (action, reason, steps) = match (release.get(&self.address), self.found) {
            (Some(reason), _) => (Action::Forget, reason.as_str(), Vec::new()),
            (None, Seen::Missing) => (Action::Forget, "somebody has unscheduled it", Vec::new()),
            (None, Seen::Hidden) if live.cron.version.is_none() => {
                (Action::Forget, "pg_cron is gone, and it as well", Vec::new())
            }
            (None, Seen::There(_) | Seen::Hidden) => {
                let step = Step { undo: Some(create(managed)), ..Step::brief(unschedule(managed), None, limits) };
                (Action::Drop, "no rule in force wants it any more", vec![step])
            }
        };
        Some(self.change(action, reason, None, steps, record, live))
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
            relies_on: Digest::of(&(self.managed, strayed, &live.cron.version)),
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

/// What somebody changed, or the rule.
fn differs(job: &Job, wanted: &Schedule, known: bool) -> &'static str {
    match () {
        () if !known => "its rule has changed",
        () if !job.active => "somebody has switched it off",
        () if job.schedule != wanted.schedule => "somebody has changed its schedule",
        () => "somebody has changed its command",
    }
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
