//! `apply`: a saved plan, or plans, asks and applies.

use std::{io::Write as _, process::Command, time::Duration};

use reconcile_apply::{
    execute::{self, ApplyOptions, Report, Stopped},
    lock,
    registry::Registry,
};
use reconcile_config::Project;
use reconcile_core::{
    hazard::{Approval, Hazard},
    plan::Plan,
};
use reconcile_live::Session;
use tokio::sync::watch;

use crate::{
    args::{Allow, ApplyArgs, Format, Global},
    commands::{plan::filter, show},
    error::{Exit, Failure},
    progress::Progress,
    project::{self, Connected},
    render,
    terminal::Terminal,
};

/// How long to wait for another applier that is about to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Plans or reads the plan, has it approved, and executes it.
pub(crate) async fn run(global: &Global, args: &ApplyArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let saved = args.file.as_ref().map(|file| show::read(&global.directory.join(file))).transpose()?;
    let Connected { project, target, mut session } = project::connect(global).await?;
    let plan = match saved {
        Some(saved) => {
            let fresh = plan_anew(&mut session, &project, &saved).await?;
            still_holds(&saved, &fresh)?;
            saved
        }
        None => project::plan(&mut session, &project, filter(&args.filter)).await?,
    };
    drop(session);
    // A saved plan was read before.
    if !terminal.json && args.file.is_none() {
        terminal.print(&render::plan(&plan, Format::Text, terminal.colors()));
    }
    if !plan.has_work() {
        if terminal.json {
            terminal.json_line(&serde_json::json!({ "event": "done", "run": null, "changes": 0 }));
        }
        return Ok(Exit::Done);
    }
    approve(&plan, &project, args, terminal)?;
    let mut applier = Session::connect(&target).await?;
    take_over(&mut applier, &plan, &project).await?;
    let report = execute(&mut applier, &plan, &project, global, terminal).await?;
    applier.close().await;
    conclude(&report, &plan, terminal)
}

/// Whether the saved plan is what would be planned now.
fn still_holds(saved: &Plan, fresh: &Plan) -> Result<(), Failure> {
    let changed = if saved.database.system_identifier != fresh.database.system_identifier {
        "it was made for another server"
    } else if saved.database.name != fresh.database.name {
        "it was made for another database"
    } else if saved.declared != fresh.declared {
        "the declared files have changed since"
    } else if !saved.says_the_same_as(fresh) {
        "the database has changed since, in something that the plan relies on"
    } else {
        return Ok(());
    };
    Err(stale(changed))
}

fn stale(changed: &str) -> Failure {
    Failure::said(Exit::Stale, format!("the plan is stale: {changed}; nothing was written"), "plan again")
}

/// Plans anew. What is wrong with unchanged files has become wrong in the database.
async fn plan_anew(session: &mut Session, project: &Project, saved: &Plan) -> Result<Plan, Failure> {
    if saved.declared != project.desired.digest {
        return Err(stale("the declared files have changed since"));
    }
    project::plan(session, project, saved.filter.clone()).await.map_err(|failure| match failure {
        Failure::Problems(problems) => stale(&format!("the database has changed since:\n{problems}")),
        Failure::Said { .. } => failure,
    })
}

/// Hazards that are not allowed, then the person at the terminal.
fn approve(plan: &Plan, project: &Project, args: &ApplyArgs, terminal: &Terminal) -> Result<(), Failure> {
    let approval = approval(project, &args.allow);
    let unapproved = plan.unapproved(&approval);
    if let Some((_, objects)) = unapproved.first() {
        let names: Vec<_> = unapproved.iter().map(|(hazard, _)| hazard.name()).collect();
        let example = objects.first().map(ToString::to_string).unwrap_or_default();
        let message = format!("not allowed: {}; {example} needs it; nothing was written", names.join(", "));
        let forbidden = unapproved.iter().find(|(hazard, _)| approval.forbid.contains(hazard));
        let hint = match forbidden {
            Some((hazard, _)) => format!("`safety.forbid` of the project names {hazard}, and wins over --allow"),
            None => format!("--allow {}", names.join(",")),
        };
        return Err(Failure::said(Exit::ApprovalNeeded, message, hint));
    }
    // Adoption writes down what is there; nobody has to approve of that.
    if args.auto_approve || !plan.has_changes() {
        return Ok(());
    }
    if !terminal.is_interactive() {
        let message = "approval needed, and there is no terminal to ask on; nothing was written";
        return Err(Failure::said(Exit::ApprovalNeeded, message, "read the plan, then run with --auto-approve"));
    }
    if confirmed()? {
        Ok(())
    } else {
        Err(Failure::said(Exit::ApprovalNeeded, "not approved; nothing was written", ""))
    }
}

fn approval(project: &Project, allow: &[Allow]) -> Approval {
    let mut approval = project.settings.approval.clone();
    for allowed in allow {
        match allowed {
            Allow::All => approval.allow.extend(Hazard::ALL),
            Allow::One(hazard) => {
                approval.allow.insert(*hazard);
            }
        }
    }
    approval
}

fn confirmed() -> Result<bool, Failure> {
    let mut out = anstream::stderr().lock();
    write!(out, "Apply these changes? Only `yes` is accepted: ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// Becomes the only applier, then makes sure that the plan is still the one that was approved.
async fn take_over(applier: &mut Session, plan: &Plan, project: &Project) -> Result<(), Failure> {
    let hello = reconcile_live::hello::begin(applier, &project::read_options(project), 0).await?;
    applier.batch("COMMIT; SET statement_timeout = 0; SET lock_timeout = 0").await?;
    if hello.read_only {
        let message =
            format!("database `{}` is read-only, such as a standby is; nothing was written", plan.database.name);
        return Err(Failure::said(Exit::Stale, message, "connect to the primary"));
    }
    if let Err(holder) = lock::acquire(applier, PATIENCE).await? {
        return Err(Failure::locked(&holder));
    }
    // Adoption executes nothing; a registry entry that is out of date by now is seen by the next plan.
    if !plan.has_changes() {
        return Ok(());
    }
    let mut reader = applier.another().await?;
    still_holds(plan, &plan_anew(&mut reader, project, plan).await?)
}

async fn execute(
    applier: &mut Session,
    plan: &Plan,
    project: &Project,
    global: &Global,
    terminal: &Terminal,
) -> Result<Report, Failure> {
    let options = ApplyOptions {
        registry: Registry::new(project.settings.registry_schema.clone()),
        retries: project.settings.retries,
        commit: commit(global),
    };
    let (stop, stopping) = watch::channel(false);
    let interrupts = tokio::spawn(interrupts(stop));
    let mut progress = Progress::new(terminal);
    let report = execute::apply(applier, plan, &options, stopping, &mut |event| progress.show(&event)).await;
    interrupts.abort();
    progress.end();
    Ok(report?)
}

/// Tells the executor when the user wants to stop.
async fn interrupts(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        // Nobody listens any more: the run is over.
        if stop.send(true).is_err() {
            return;
        }
    }
}

/// The commit of the declared files, where they are in a git checkout.
fn commit(global: &Global) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(&global.directory).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn conclude(report: &Report, plan: &Plan, terminal: &Terminal) -> Result<Exit, Failure> {
    let Some(stopped) = &report.stopped else {
        let changes = plan.changes.iter().filter(|change| change.action.changes_the_database()).count();
        if terminal.json {
            terminal.json_line(&serde_json::json!({ "event": "done", "run": report.run.0, "changes": changes }));
        } else if changes > 0 {
            terminal.print(&format!("Applied: {changes} changes, run {}.\n", report.run.0));
        }
        return Ok(Exit::Done);
    };
    for address in &report.done {
        terminal.say(&format!("done:     {}", render::printable(&address.to_string())));
    }
    for address in &report.remaining {
        terminal.say(&format!("not done: {}", render::printable(&address.to_string())));
    }
    let exit = match stopped {
        Stopped::Interrupted | Stopped::Blocked { .. } => Exit::Incomplete,
        Stopped::Failed { .. } => Exit::Error,
    };
    let detail = match stopped {
        Stopped::Failed { error, .. } => error.server().and_then(|server| server.detail.clone()),
        Stopped::Interrupted | Stopped::Blocked { .. } => None,
    };
    let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
    let message = format!("run {}: {}{detail}", report.run.0, render::printable(&stopped.to_string()));
    Err(Failure::said(exit, message, "what is done is recorded; run apply again to go on"))
}
