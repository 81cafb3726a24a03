//! Which jobs there have to be: those of the rules, and one for each chain of views. Also reports what `pg_cron` cannot
//! do as declared.

use super::{
    Schedule, View,
    catalog::Cron,
    chains::{Chain, InForce},
};
use crate::{
    change::Note,
    declared::Declared,
    kind::Context,
    kinds::{
        matview::{self, Matview},
        retention::{self, Rule},
    },
    postgres::{cron::Runner, routine::Routine},
    problem::Problem,
    source::Source,
};

/// A job that has to exist.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) schedule: Schedule,
    /// The procedure that it calls, if that belongs to the job alone.
    pub(super) routine: Option<Routine>,
    /// The place of the schedule in the YAML; `None` if its object is not part of the plan.
    pub(super) at: Option<Source>,
    /// Whether what it calls exists, or will exist.
    pub(super) callable: bool,
}

/// The wanted jobs, with notes and problems.
#[derive(Debug, Default)]
pub(super) struct All {
    pub(super) jobs: Vec<Wanted>,
    pub(super) notes: Vec<Note>,
    pub(super) problems: Vec<Problem>,
}

impl All {
    pub(super) fn of(context: Context<'_>, view: View<'_>) -> Self {
        let (scope, views) = (context.scope, view.rules.views);
        let mut all = Self::default();
        if context.scheduler != Some(Runner::PgCron) {
            let declared = views.desired.iter().filter(|declared| scope.admits(&declared.object.address()));
            all.notes.extend(declared.filter_map(|declared| unscheduled(declared, views)));
            return all;
        }
        for declared in view.rules.desired {
            let rule = &declared.object;
            let callable = scope.admits(&rule.address()) || view.rules.live.in_force.contains_key(&rule.table);
            let jobs = all.of_rule(declared, context, view).into_iter();
            all.jobs.extend(jobs.map(|wanted| Wanted { callable, ..wanted }));
        }
        let in_force = InForce::of(context, views);
        for chain in in_force.chains() {
            let job = all.of_chain(&chain, context, view);
            all.jobs.extend(job);
        }
        for (reader, read) in in_force.out_of_step() {
            all.out_of_step(reader, read, views);
        }
        all.notes.retain(|note| note.is_admitted(scope));
        all
    }

    /// The jobs of a rule, if `pg_cron` can run it.
    fn of_rule(&mut self, declared: &Declared<Rule>, context: Context<'_>, view: View<'_>) -> Vec<Wanted> {
        let (rule, cron) = (&declared.object, &view.live.cron);
        let Some(schedule) = &rule.schedule else { return Vec::new() };
        let (address, at) = (rule.address(), declared.at.key("schedule"));
        if matches!(rule.action, retention::Action::ArchiveFiles(_)) {
            let text = format!("pg_cron writes no files: have `reconcile retain` called at `{schedule}`");
            self.notes.push(Note::new(address, text));
            return Vec::new();
        }
        if let Err(problem) = installed(cron, &at) {
            self.problems.push(problem);
            return Vec::new();
        }
        if view.rules.live.in_force.get(&rule.table) != Some(rule) {
            let zone = in_another_zone(schedule, rule.zone(), "rule", cron);
            let views = rule.after_refresh.iter().filter_map(|name| view.rules.views.declared(name));
            let timeouts = views.filter_map(|declared| without_timeout(&declared.object, "retain"));
            self.notes.extend(zone.into_iter().chain(timeouts).map(|text| Note::new(address.clone(), text)));
        }
        let jobs = Schedule::of_rule(rule, &context.session.registry_schema).into_iter();
        jobs.map(|schedule| Wanted { schedule, routine: None, at: Some(at.clone()), callable: true }).collect()
    }

    /// The job of a chain.
    fn of_chain(&mut self, chain: &Chain<'_>, context: Context<'_>, view: View<'_>) -> Option<Wanted> {
        let (views, cron) = (view.rules.views, &view.live.cron);
        let first = &chain.views.first()?.object.name;
        let admitted = chain.views.iter().filter(|declared| context.scope.admits(&declared.object.address()));
        let places: Vec<_> = admitted.map(|declared| declared.at.key("refresh").key("schedule")).collect();
        let problems = places.iter().filter_map(|at| installed(cron, at).err());
        self.problems.extend(problems);
        cron.version.as_ref()?;
        let schedule = Schedule::of_chain(first, chain.schedule, &context.session.registry_schema);
        let is_new = !view.live.made.contains_key(&schedule.address());
        for declared in chain.views.iter().filter(|declared| is_new || is_news(declared, views)) {
            self.shortcomings(declared, chain.schedule, cron);
        }
        let members: Vec<_> = chain.views.iter().map(|declared| &declared.object).collect();
        let routine = matview::routine::procedure(&members, first, context.session, context.limits);
        Some(Wanted { schedule, routine: Some(routine), at: places.into_iter().next(), callable: true })
    }

    /// Notes on what `pg_cron` does differently from a view's declaration.
    fn shortcomings(&mut self, declared: &Declared<Matview>, schedule: &str, cron: &Cron) {
        let (view, address) = (&declared.object, declared.object.address());
        let timeout = without_timeout(view, "refresh");
        let texts = in_another_zone(schedule, view.zone(), "view", cron).into_iter().chain(timeout);
        self.notes.extend(texts.map(|text| Note::new(address.clone(), text)));
    }

    /// Notes views whose jobs do not know of each other, because their schedules differ.
    fn out_of_step(&mut self, reader: &Declared<Matview>, read: &Declared<Matview>, views: matview::View<'_>) {
        if let (Some(own), Some(other)) = (reader.object.schedule(), read.object.schedule())
            && (is_news(reader, views) || is_news(read, views))
        {
            let text = format!(
                "it is refreshed at `{own}` and reads {}, which is at `{other}`: pg_cron keeps the order within one \
                 schedule only",
                read.object.name
            );
            self.notes.push(Note::new(reader.object.address(), text));
        }
    }
}

/// A note on a schedule that nothing in the database runs.
fn unscheduled(declared: &Declared<Matview>, views: matview::View<'_>) -> Option<Note> {
    let schedule = declared.object.schedule().filter(|_| is_news(declared, views))?;
    let text = format!("nothing in the database refreshes it at `{schedule}`: have `reconcile maintain` called");
    Some(Note::new(declared.object.address(), text))
}

/// A note on a timeout that the server applies to whole statements, such as the call of a procedure, but not to parts
/// of them.
fn without_timeout(view: &Matview, command: &str) -> Option<String> {
    let ms = view.refresh.as_ref()?.timeout_ms?;
    let name = &view.name;
    Some(format!("pg_cron does not hold the refresh of {name} to its `timeout` of {ms} ms; `reconcile {command}` does"))
}

/// Whether its refresh differs from what was applied.
fn is_news(declared: &Declared<Matview>, views: matview::View<'_>) -> bool {
    let applied = views.live.applied.get(&declared.object.name);
    applied.is_none_or(|applied| applied.refresh != declared.object.refresh)
}

/// Whether `pg_cron` is installed.
fn installed(cron: &Cron, at: &Source) -> Result<(), Problem> {
    let Some(version) = &cron.version else {
        let message = "the project's `scheduler` is pg_cron, which this database has not installed";
        let hint = "CREATE EXTENSION pg_cron in the database that `cron.database_name` names, or `scheduler: external`";
        return Err(Problem::new(at, message).hint(hint));
    };
    if is_before_1_4(version) {
        let message = format!("pg_cron is of version {version}, and 1.4 is the first that can do this");
        return Err(Problem::new(at, message).hint("ALTER EXTENSION pg_cron UPDATE, or `scheduler: external`"));
    }
    Ok(())
}

fn is_before_1_4(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (1, 4)
}

/// A note on a schedule that `pg_cron` reads in another time zone.
fn in_another_zone(schedule: &str, zone: &str, whose: &str, cron: &Cron) -> Option<String> {
    let theirs = &cron.timezone;
    let same = zone == theirs || is_utc(zone) && is_utc(theirs);
    (!same).then(|| format!("pg_cron reads `{schedule}` in the time zone {theirs}, not in the {whose}'s {zone}"))
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "GMT", "Etc/UTC"].contains(&zone)
}
