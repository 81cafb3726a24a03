//! Loads the project and connects. Most commands start with this.

use std::env;

use reconcile_config::{LoadOptions, Problems, Project};
use reconcile_core::scope::Filter;
use reconcile_live::{Session, Target};

use crate::{
    args::Global,
    error::Failure,
    plan_mode::{self, PlanMode},
};

/// A project and a connection to its database.
pub(crate) struct Connected {
    pub(crate) project: Project,
    pub(crate) target: Target,
    pub(crate) session: Session,
}

pub(crate) fn load(global: &Global) -> Result<Project, Failure> {
    Ok(reconcile_config::load(&load_options(global))?)
}

fn load_options(global: &Global) -> LoadOptions {
    let options = LoadOptions::new(&global.directory).with_process_env();
    LoadOptions { config: global.config.clone(), target: global.target.clone(), ..options }
}

/// The project for `import`, which can start one: there may be none yet.
pub(crate) fn load_if_any(global: &Global) -> Result<Project, Failure> {
    Ok(reconcile_config::load(&LoadOptions { may_be_missing: true, ..load_options(global) })?)
}

/// Loads the files and connects. Does both at the same time if the files do not name the database.
pub(crate) async fn connect(global: &Global) -> Result<Connected, Failure> {
    let options = load_options(global);
    let loading = tokio::task::spawn_blocking(move || reconcile_config::load(&options));
    let known = match url_outside_files(global) {
        Some(url) => {
            let target = Target::parse(Some(&url))?;
            let connecting = Session::connect(&target);
            let (loaded, session) = tokio::join!(loading, connecting);
            let project = match loaded {
                Ok(Err(problems)) => return Err(with_those_of_the_database(problems, session.ok()).await),
                loaded => joined(loaded)?,
            };
            return Ok(Connected { project, session: session?, target });
        }
        None => joined(loading.await)?,
    };
    let target = target_of_files(&known)?;
    let session = Session::connect(&target).await?;
    Ok(Connected { project: known, target, session })
}

/// Adds the mistakes that only the database shows, in the valid part of the files.
async fn with_those_of_the_database(mut problems: Problems, session: Option<Session>) -> Failure {
    let (Some(mut session), Some(intact)) = (session, problems.intact.take()) else { return problems.into() };
    match plan_mode::plan(&mut session, &intact, &PlanMode::Declared(Filter::default())).await {
        Err(Failure::Problems(more)) => problems.and(more.problems).into(),
        // The valid part has no further mistakes, or cannot be checked. The mistakes in the files are reported in any
        // case.
        Ok(_) | Err(Failure::Said { .. }) => problems.into(),
    }
}

/// The database that `import` reads, with or without a project file.
pub(crate) fn target(global: &Global, project: &Project) -> Result<Target, Failure> {
    match url_outside_files(global) {
        Some(url) => Ok(Target::parse(Some(&url))?),
        None => target_of_files(project),
    }
}

fn target_of_files(project: &Project) -> Result<Target, Failure> {
    let settings = &project.settings;
    if let (None, Some(problem)) = (&settings.database_url, &settings.database_url_problem) {
        return Err(Problems::new(project.files.clone(), vec![(**problem).clone()]).into());
    }
    Ok(Target::parse(settings.database_url.as_deref())?)
}

fn url_outside_files(global: &Global) -> Option<String> {
    let set = |url: &String| !url.trim().is_empty();
    global.database_url.clone().or_else(|| env::var("DATABASE_URL").ok()).filter(set)
}

fn joined<T>(result: Result<Result<T, Problems>, tokio::task::JoinError>) -> Result<T, Failure> {
    match result {
        Ok(loaded) => Ok(loaded?),
        Err(error) => Err(Failure::other(format!("loading the files failed: {error}"))),
    }
}
