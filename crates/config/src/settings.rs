//! The project's settings of reconcile: defaults, safety, targets. Flags and variables that take precedence over them
//! are left to the command line.

use std::{num::NonZeroU32, time::Duration};

use reconcile_core::{
    change::{SessionSettings, TimeLimits},
    hazard::{Approval, Hazard},
    postgres::cron::Runner,
    postgres::{
        duration::{self, DurationError},
        name::Ident,
    },
    problem::{Problem, closest},
    source::Source,
};

use crate::shape::{AllowSpec, DatabaseSpec, DefaultsSpec, Entries, FileSpec, SafetySpec, TargetSpec};

/// How reconcile works in this project, with the settings of the chosen target.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The connection URL in the files. A flag and `DATABASE_URL` take precedence over it.
    pub database_url: Option<String>,
    /// Why the URL in the files is not known: a variable in it is not set. It is shown if there is no other URL.
    pub database_url_problem: Option<Box<Problem>>,
    /// The schema of registry and history.
    pub registry_schema: Ident,
    /// How long a statement may wait for a lock: from 1 ms to 24 days.
    pub lock_timeout: Duration,
    /// How often a statement that did not get its lock is tried again.
    pub retries: u32,
    /// How long one index may take to build: from 1 ms to 24 days.
    pub build_timeout: Duration,
    /// How many builds run side by side.
    pub parallel: NonZeroU32,
    /// Schemas in which names inside SQL fragments are looked up.
    pub search_path: Vec<Ident>,
    /// Hazards that are allowed and forbidden.
    pub approval: Approval,
    /// Who runs the work that is due; `None` if the project does not say.
    pub scheduler: Option<Runner>,
}

impl Settings {
    /// How long the steps of a plan may wait and run.
    #[must_use]
    pub fn limits(&self) -> TimeLimits {
        TimeLimits { lock_timeout: self.lock_timeout, build_timeout: self.build_timeout }
    }

    /// The search path, and the schema of the registry.
    #[must_use]
    pub fn session(&self) -> SessionSettings {
        SessionSettings { search_path: self.search_path.clone(), registry_schema: self.registry_schema.clone() }
    }
}

/// The sections of all files with settings of reconcile, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    database: Option<(DatabaseSpec, Source)>,
    defaults: Option<(DefaultsSpec, Source)>,
    safety: Option<(SafetySpec, Source)>,
    scheduler: Option<(Runner, Source)>,
    targets: Option<(Entries<Option<TargetSpec>>, Source)>,
    pub(crate) problems: Vec<Problem>,
}

impl Sections {
    /// Takes the sections out of a file. A section that another file also has is a mistake.
    pub(crate) fn add(&mut self, root: &Source, spec: &mut FileSpec) {
        let problems = &mut self.problems;
        if let Some(version) = spec.version.filter(|version| *version != 1) {
            let problem = Problem::new(&root.key("version"), format!("version {version} is not supported"));
            problems.push(problem.hint("this version of reconcile supports `version: 1`"));
        }
        keep(&mut self.database, spec.database.take(), root.key("database"), problems);
        keep(&mut self.defaults, spec.defaults.take(), root.key("defaults"), problems);
        keep(&mut self.safety, spec.safety.take(), root.key("safety"), problems);
        keep(&mut self.scheduler, spec.scheduler.take(), root.key("scheduler"), problems);
        keep(&mut self.targets, spec.targets.take(), root.key("targets"), problems);
    }

    /// The settings, and all mistakes in them. Those of `target` take precedence over those of the project.
    pub(crate) fn finish(mut self, target: Option<&str>) -> (Settings, Vec<Problem>) {
        let mut settings = Settings::default();
        let problems = &mut self.problems;
        if let Some((database, at)) = self.database {
            settings.apply_database(database, &at, problems);
        }
        if let Some((defaults, at)) = self.defaults {
            settings.apply_defaults(&defaults, &at, problems);
        }
        if let Some((safety, _)) = self.safety {
            settings.apply_safety(safety);
        }
        settings.scheduler = self.scheduler.map(|(scheduler, _)| scheduler);
        if let Some(name) = target {
            match choose(name, self.targets) {
                Ok((target, at)) => settings.apply_target(target, &at, problems),
                Err(problem) => problems.push(*problem),
            }
        } else if let Some((targets, at)) = self.targets {
            // Targets that nobody chose are checked as well.
            for (name, target) in targets.0 {
                settings.clone().apply_target(target.unwrap_or_default(), &at.key(&name), problems);
            }
        }
        (settings, self.problems)
    }
}

fn keep<T>(kept: &mut Option<(T, Source)>, section: Option<T>, at: Source, problems: &mut Vec<Problem>) {
    let Some(section) = section else { return };
    match kept {
        None => *kept = Some((section, at)),
        Some((_, first)) => {
            let problem = Problem::new(&at, "this section is in two files").on_key();
            problems.push(problem.related(first, "first here").hint("merge them into one"));
        }
    }
}

type Targets = Option<(Entries<Option<TargetSpec>>, Source)>;

fn choose(name: &str, targets: Targets) -> Result<(TargetSpec, Source), Box<Problem>> {
    let Some((targets, at)) = targets else {
        let problem = Problem::nowhere(format!("there is no target `{name}`: the project has no `targets:`"));
        return Err(Box::new(problem));
    };
    let known: Vec<String> = targets.0.iter().map(|(name, _)| name.clone()).collect();
    if let Some((_, target)) = targets.0.into_iter().find(|(known, _)| known == name) {
        return Ok((target.unwrap_or_default(), at.key(name)));
    }
    let problem = Problem::new(&at, format!("there is no target `{name}`")).on_key();
    Err(Box::new(match closest(name, known.iter().map(String::as_str)) {
        Some(close) => problem.hint(format!("did you mean `{close}`?")),
        None => problem.hint(format!("known targets: {}", known.join(", "))),
    }))
}

impl Default for Settings {
    fn default() -> Self {
        let ident = Ident::fixed;
        Self {
            database_url: None,
            database_url_problem: None,
            registry_schema: ident("reconcile"),
            lock_timeout: Duration::from_secs(2),
            retries: 10,
            build_timeout: Duration::from_hours(6),
            parallel: NonZeroU32::MIN,
            search_path: vec![ident("public")],
            approval: Approval::default(),
            scheduler: None,
        }
    }
}

impl Settings {
    fn apply_target(&mut self, target: TargetSpec, at: &Source, problems: &mut Vec<Problem>) {
        self.apply_database(target.database.unwrap_or_default(), &at.key("database"), problems);
        self.apply_defaults(&target.defaults.unwrap_or_default(), &at.key("defaults"), problems);
        self.apply_safety(target.safety.unwrap_or_default());
    }

    /// Records URLs whose variables are not set. If the target's URL is one of them, no URL is known: the project's URL
    /// is that of another database.
    pub(crate) fn leave_out_urls(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            let of_target = problem.at.as_ref().is_some_and(|at| at.path.len() > 2);
            if of_target {
                self.database_url = None;
            }
            if self.database_url.is_none() {
                self.database_url_problem = Some(Box::new(problem));
            }
        }
    }

    fn apply_database(&mut self, database: DatabaseSpec, at: &Source, problems: &mut Vec<Problem>) {
        // A variable that is set but empty is not a URL.
        self.database_url = database.url.filter(|url| !url.trim().is_empty()).or(self.database_url.take());
        if let Some(schema) = database.schema {
            match Ident::new(schema) {
                Ok(schema) => self.registry_schema = schema,
                Err(error) => problems.push(Problem::new(&at.key("schema"), error.to_string())),
            }
        }
    }

    fn apply_defaults(&mut self, defaults: &DefaultsSpec, at: &Source, problems: &mut Vec<Problem>) {
        let mut timeout = |text: Option<&String>, key: &str, kept: &mut Duration| {
            if let Some(text) = text {
                match timeout(text) {
                    Ok(duration) => *kept = duration,
                    Err((message, hint)) => problems.push(Problem::new(&at.key(key), message).hint(hint)),
                }
            }
        };
        timeout(defaults.lock_timeout.as_ref(), "lock_timeout", &mut self.lock_timeout);
        timeout(defaults.build_timeout.as_ref(), "build_timeout", &mut self.build_timeout);
        self.retries = defaults.retries.unwrap_or(self.retries);
        if let Some(parallel) = defaults.parallel {
            match NonZeroU32::new(parallel) {
                Some(parallel) => self.parallel = parallel,
                None => problems.push(Problem::new(&at.key("parallel"), "the value must be at least 1")),
            }
        }
        if let Some(search_path) = &defaults.search_path {
            self.search_path.clear();
            for (position, schema) in search_path.iter().enumerate() {
                match Ident::new(schema) {
                    Ok(schema) => self.search_path.push(schema),
                    Err(error) => {
                        let at = at.key("search_path").item(position);
                        problems.push(Problem::new(&at, error.to_string()));
                    }
                }
            }
        }
    }

    fn apply_safety(&mut self, safety: SafetySpec) {
        if let Some(allow) = safety.allow {
            self.approval.allow.clear();
            for allowed in allow {
                match allowed {
                    AllowSpec::All => self.approval.allow.extend(Hazard::ALL),
                    AllowSpec::One(hazard) => self.approval.allow.extend([hazard]),
                }
            }
        }
        self.approval.forbid.extend(safety.forbid.unwrap_or_default());
    }
}

/// A duration longer than zero, or a message and a hint. They do not repeat the text: it may come from a variable.
fn timeout(text: &str) -> Result<Duration, (&'static str, &'static str)> {
    match duration::parse(text) {
        Ok(Duration::ZERO) | Err(DurationError::TooFine) => {
            Err(("this would disable the timeout", "the shortest timeout is `1ms`"))
        }
        Ok(duration) => Ok(duration),
        Err(DurationError::Unreadable) => Err(("this is not a duration", duration::FORM)),
        Err(DurationError::Negative) => Err(("a duration cannot be negative", duration::FORM)),
        Err(DurationError::TooLong) => {
            Err(("PostgreSQL does not support a timeout this long", "the longest timeout is `24 days`"))
        }
    }
}
