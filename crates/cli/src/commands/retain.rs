//! `retain`: runs the applied retention rules, shows what they would do, or moves rows back from an archive. `maintain`:
//! runs those that are due.

use std::path;

use reconcile_apply::pooler;
use reconcile_config::Project;
use reconcile_core::kinds::retention::Rule;
use reconcile_live::{LiveError, Session};
use reconcile_maintain::{
    Options,
    due::{self, Timed},
    event::{Event, Step, Verdict},
    preview::preview,
    restore::{Bounds, restore},
    retain::{Report, retain},
    rules::{self, RulesError},
};
use tokio::sync::watch;

use crate::{
    args::{Global, RetainArgs},
    carry_out::interrupts,
    error::{Exit, Failure},
    gone::Gone,
    project::{self, Connected},
    render, surroundings,
    terminal::Terminal,
};

/// Runs, counts or restores, and prints what came of it.
pub(crate) async fn run(global: &Global, args: &RetainArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let tables = args.restore.as_ref().map_or_else(|| args.tables.clone(), |table| vec![table.clone()]);
    let rules = rules::applied(&mut session, &options.registry, &tables).await.map_err(failure)?;
    if rules.is_empty() {
        terminal.say("no retention rule is applied here");
        return Ok(Exit::Done);
    }
    if args.dry_run {
        let report = preview(&mut session, &rules, &options).await?;
        for step in &report.steps {
            over(step, terminal);
        }
        return Ok(conclude(&report, terminal));
    }
    let bounds = match (&args.restore, &args.from, &args.to) {
        (Some(_), Some(from), Some(to)) => Some(Bounds { from, to }),
        _ => None,
    };
    carried_out(session, &rules, bounds, &options, terminal).await
}

/// Runs the rules that are due, and prints what came of it.
pub(crate) async fn due(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let timed = due::timed(&mut session, &options.registry).await.map_err(failure)?;
    let (due, others): (Vec<_>, Vec<_>) = timed.into_iter().partition(|timed| timed.due);
    for Timed { rule, next, .. } in &others {
        let when = match next {
            Some(next) => format!("next due at {next} ({})", rule.zone()),
            None => "it has no schedule: `reconcile retain` runs it".to_owned(),
        };
        terminal.say(&format!("{}: {when}", rule.table));
    }
    if due.is_empty() {
        terminal.say("nothing is due");
        return Ok(Exit::Done);
    }
    let rules: Vec<_> = due.into_iter().map(|timed| timed.rule).collect();
    carried_out(session, &rules, None, &options, terminal).await
}

/// What `maintain` has to know of the project.
pub(crate) fn options(project: &Project) -> Options {
    let settings = &project.settings;
    Options {
        registry: surroundings::registry(project),
        root: path::absolute(&project.root).unwrap_or_else(|_| project.root.clone()),
        search_path: settings.search_path.clone(),
        lock_timeout: settings.lock_timeout,
        retries: settings.retries,
    }
}

/// Runs or restores on a connection of its own, and prints what came of it.
async fn carried_out(
    mut session: Session,
    rules: &[Rule],
    bounds: Option<Bounds<'_>>,
    options: &Options,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    ours_alone(&mut session).await?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(interrupts(stop));
    let report = execute(&mut session, rules, bounds, options, stopping, terminal).await.map_err(begun)?;
    session.close().await;
    Ok(conclude(&report, terminal))
}

async fn execute(
    session: &mut Session,
    rules: &[Rule],
    bounds: Option<Bounds<'_>>,
    options: &Options,
    stopping: watch::Receiver<bool>,
    terminal: &Terminal,
) -> Result<Report, LiveError> {
    let mut gone = Gone::new(terminal);
    let mut tell = |event: Event<'_>| {
        gone.show(&event);
        if let Event::Over(step) = event {
            over(step, terminal);
        }
    };
    match (bounds, rules) {
        (Some(bounds), [rule, ..]) => restore(session, rule, bounds, options, stopping, &mut tell).await,
        _ => retain(session, rules, options, stopping, &mut tell).await,
    }
}

/// A connection that can be written through, and that no pooler hands to others between batches.
pub(crate) async fn ours_alone(session: &mut Session) -> Result<(), Failure> {
    if reconcile_maintain::is_read_only(session).await? {
        let message = "the database is read-only, such as a standby is; nothing was written";
        return Err(Failure::said(Exit::Stale, message, "connect to the primary"));
    }
    let mut other = session.another().await?;
    if pooler::is_between(session, &mut other).await? {
        let message = "a transaction pooler stands between here and the server: locks and settings would land on \
                       other people's connections; nothing was written";
        let hint = "connect to the server itself, or through the pooler in session mode";
        return Err(Failure::said(Exit::Stale, message, hint));
    }
    Ok(())
}

/// A program reads each step as it ends.
fn over(step: &Step, terminal: &Terminal) {
    if terminal.json {
        terminal.json_line(&serde_json::json!(step));
    }
}

fn conclude(report: &Report, terminal: &Terminal) -> Exit {
    if !terminal.json {
        terminal.print(&render::retain::steps(&report.steps));
    }
    exit(report.verdict)
}

/// How a run ends that came to this.
pub(crate) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Done => Exit::Done,
        Verdict::Failed => Exit::Error,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Beyond => Exit::ApprovalNeeded,
        Verdict::Overlap => Exit::Locked,
    }
}

/// SQLSTATE `undefined_table`.
const NO_TABLE: &str = "42P01";

pub(crate) fn begun(error: LiveError) -> Failure {
    if error.server().is_some_and(|server| server.code == NO_TABLE) {
        return Failure::said(Exit::Error, error.to_string(), "apply once: it makes the tables of the records");
    }
    error.into()
}

fn failure(error: RulesError) -> Failure {
    match error {
        RulesError::Live(error) => error.into(),
        RulesError::Unknown { ref hint, .. } => Failure::said(Exit::Error, error.to_string(), hint.clone()),
        RulesError::Name(_) => {
            Failure::said(Exit::Error, error.to_string(), "write `schema.table`, as the rule's file does")
        }
        RulesError::Entry(_) => Failure::said(
            Exit::Error,
            error.to_string(),
            "use the version of reconcile that applied it, or apply again",
        ),
    }
}
