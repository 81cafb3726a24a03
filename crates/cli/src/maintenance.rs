//! The shared parts of `retain`, `refresh` and `maintain`: options, the start of a run, and its report.

use std::path;

use reconcile_apply::{preflight, sqlstate};
use reconcile_config::Project;
use reconcile_core::postgres::name::QualifiedName;
use reconcile_live::{LiveError, Session};
use reconcile_maintain::{
    Options,
    applied::{AppliedError, Sought},
    due::Timed,
    event::{Event, Report},
    run_outcome::RunOutcome,
};
use reconcile_render::printable;
use tokio::sync::watch;

use crate::{
    error::{Exit, Failure},
    interrupt, options,
    progress::maintenance::MaintenanceProgress,
    tables,
    terminal::Terminal,
};

/// The project's settings that a run needs.
pub(crate) fn options(project: &Project) -> Options {
    let settings = &project.settings;
    Options {
        registry: options::registry(project),
        root: path::absolute(&project.root).unwrap_or_else(|_| project.root.clone()),
        search_path: settings.search_path.clone(),
        lock_timeout: settings.lock_timeout,
        retries: settings.retries,
    }
}

/// Checks the connection, and listens for requests to stop.
pub(crate) async fn begin(session: &mut Session) -> Result<watch::Receiver<bool>, Failure> {
    drop(preflight::check(session).await?);
    Ok(interrupt::listen())
}

/// Shows the progress of a run.
pub(crate) fn observer(terminal: &Terminal) -> impl FnMut(Event<'_>) {
    let mut progress = MaintenanceProgress::new(terminal);
    move |event| progress.show(&event)
}

/// The rules or views that are due. Prints the others: each with its name, its time zone, and the `command` that runs
/// it at any time.
pub(crate) fn due_now<T>(
    scheduled: impl IntoIterator<Item = Timed<T>>,
    name_and_zone: impl Fn(&T) -> (&QualifiedName, &str),
    command: &str,
    terminal: &Terminal,
) -> Vec<T> {
    let mut due_now = Vec::new();
    for Timed { item, due, next } in scheduled {
        if due {
            due_now.push(item);
            continue;
        }
        let (name, zone) = name_and_zone(&item);
        let when = match next {
            Some(next) => format!("next due at {next} ({zone})"),
            None => format!("it has no schedule: `reconcile {command}` runs it"),
        };
        terminal.say(&printable(&format!("{name}: {when}")));
    }
    due_now
}

/// Prints the operations of a run, for people.
pub(crate) fn show(report: &Report, terminal: &Terminal) {
    if !terminal.json {
        terminal.print(&tables::steps::steps(&report.operations));
    }
}

pub(crate) fn conclude(report: &Report, terminal: &Terminal) -> Exit {
    show(report, terminal);
    exit(report.outcome)
}

/// The exit code of a run with this outcome.
pub(crate) fn exit(outcome: RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Done => Exit::Done,
        RunOutcome::Failed => Exit::Error,
        RunOutcome::Incomplete => Exit::Incomplete,
        RunOutcome::Unsafe => Exit::Stale,
        RunOutcome::OverLimits => Exit::ApprovalNeeded,
        RunOutcome::Overlap => Exit::Locked,
    }
}

/// Why a run did not start.
pub(crate) fn not_started(error: LiveError) -> Failure {
    if sqlstate::is(&error, sqlstate::UNDEFINED_TABLE) {
        return Failure::said(
            Exit::Error,
            error.to_string(),
            "run `reconcile apply` once: it creates the tables of the records",
        );
    }
    error.into()
}

/// Why no applied rules or views can be chosen, with a hint.
pub(crate) fn failure(error: AppliedError) -> Failure {
    let hint = match error {
        AppliedError::Live(error) => return not_started(error),
        AppliedError::Unknown { ref hint, .. } => hint.clone(),
        AppliedError::Name { sought: Sought::Rules, .. } => "write `schema.table`, as the rule's file does".to_owned(),
        AppliedError::Name { sought: Sought::Views, .. } => "write `schema.view`, as its file does".to_owned(),
        AppliedError::Entry { .. } => {
            "use the version of reconcile that applied it, or run `reconcile apply` again".to_owned()
        }
    };
    Failure::said(Exit::Error, error.to_string(), hint)
}
