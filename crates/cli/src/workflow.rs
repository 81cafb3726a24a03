//! Carries out a plan, whatever its goal is: approval, the lock, a last check, the run.

use std::{process::Command, time::Duration};

use reconcile_apply::{
    applier_lock,
    event::Report,
    execute,
    options::ApplyOptions,
    preflight,
    registry::{Run, tables::RegistryError},
    run_error::RunError,
    sqlstate::{self, ErrorKind},
};
use reconcile_config::Project;
use reconcile_core::{
    address::Address,
    kinds::Object,
    plan::{Plan, PlannedChange},
};
use reconcile_live::{LiveError, Session, Target, duplicates};
use reconcile_render as render;

use crate::{
    args::{ApprovalArgs, Global, ParallelArgs},
    error::{Exit, Failure},
    interrupt, options,
    plan_mode::{self, PlanMode},
    progress::apply::ApplyProgress,
    project::{self, Connected},
    staleness::{plan_anew, still_holds},
    terminal::Terminal,
};

/// How long to wait for another applier that may be about to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A plan, and everything needed to carry it out.
pub(crate) struct Work<'a> {
    pub(crate) global: &'a Global,
    pub(crate) terminal: &'a Terminal,
    pub(crate) project: &'a Project,
    pub(crate) target: &'a Target,
    pub(crate) plan: Plan,
    pub(crate) mode: &'a PlanMode,
    /// Whether another plan may take its place, because nobody has read this one.
    pub(crate) may_replan: bool,
}

/// Plans, shows the plan, asks for approval and executes the plan.
pub(crate) async fn plan_and_carry_out(
    mode: PlanMode,
    global: &Global,
    approval: &ApprovalArgs,
    parallel: &ParallelArgs,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let Connected { project, target, mut session } = project::connect(global).await?;
    if matches!(mode, PlanMode::Nothing) && !options::registry(&project).exists(&mut session).await? {
        terminal.say("nothing is managed here, and nothing was written");
        return Ok(Exit::Done);
    }
    let plan = plan_mode::plan(&mut session, &project, &mode).await?;
    drop(session);
    let may_replan = approval.auto_approve;
    let work = Work { global, terminal, project: &project, target: &target, plan, mode: &mode, may_replan };
    work.show();
    work.carry_out(approval, parallel).await
}

impl Work<'_> {
    /// Asks for approval, takes the applier's lock, checks that the plan still holds, and executes it.
    pub(crate) async fn carry_out(mut self, approval: &ApprovalArgs, parallel: &ParallelArgs) -> Result<Exit, Failure> {
        if !self.plan.has_work() && !matches!(self.mode, PlanMode::Nothing) {
            if self.terminal.json {
                self.terminal.json_line(&serde_json::json!({ "event": "done", "run": null, "changes": 0 }));
            }
            return Ok(Exit::Done);
        }
        self.approve(approval)?;
        let mut applier = self.take_over(approval).await?;
        let report = self.execute(&mut applier, parallel).await?;
        let exit = self.conclude(&report).await?;
        if matches!(self.mode, PlanMode::Nothing) {
            self.remove_registry(&mut applier).await?;
        }
        applier.close().await;
        Ok(exit)
    }

    /// Prints the plan for people, or its event for programs.
    fn show(&self) {
        if self.terminal.json {
            let changes = self.plan.changes.iter();
            let changes: Vec<_> = changes
                .map(|c| serde_json::json!({ "address": c.address, "action": c.action, "hazards": c.hazards }))
                .collect();
            self.terminal.json_line(&serde_json::json!({
                "event": "planned", "summary": self.plan.summary, "changes": changes, "notes": self.plan.notes,
            }));
        } else {
            self.terminal.print(&render::text(&self.plan, self.terminal.colors()));
        }
        if matches!(self.mode, PlanMode::Nothing) && !self.terminal.json {
            let schema = &self.project.settings.registry_schema;
            self.terminal.print(&format!(
                "Then schema {schema} is dropped, with registry and history, if nothing is managed any more.\n"
            ));
        }
    }

    /// Checks the connection, takes the applier's lock and plans once more. Nothing is written before that.
    async fn take_over(&mut self, approval: &ApprovalArgs) -> Result<Session, Failure> {
        let mut applier = Session::connect(self.target).await?;
        let mut reader = preflight::check(&mut applier).await?;
        if let Err(holder) = applier_lock::acquire(&mut applier, PATIENCE).await? {
            return Err(Failure::locked(&holder));
        }
        // An adoption executes nothing. If its registry entry is out of date by now, the next plan notices.
        if self.plan.has_changes() || !matches!(self.mode, PlanMode::Declared(_)) {
            let fresh = plan_anew(&mut reader, self.project, &self.plan, self.mode).await?;
            match still_holds(&self.plan, &fresh) {
                Err(_) if self.may_replan => {
                    self.plan = fresh;
                    self.terminal.say("the database has changed in the meantime; the plan is now:");
                    self.show();
                    self.approve(approval)?;
                }
                held => held?,
            }
        }
        options::registry(self.project).ensure(&mut applier).await.map_err(|error| match error {
            RegistryError::Live(error) => error.into(),
            newer @ RegistryError::Newer { .. } => {
                Failure::said(Exit::Stale, format!("{newer}; nothing was written"), "use that version")
            }
        })?;
        Ok(applier)
    }

    async fn execute(&self, applier: &mut Session, parallel: &ParallelArgs) -> Result<Report, Failure> {
        let options = ApplyOptions {
            registry: options::registry(self.project),
            retries: self.project.settings.retries,
            parallel: parallel.parallel.unwrap_or(self.project.settings.parallel),
            run: self.run(),
        };
        let stop = interrupt::listen();
        let mut progress = ApplyProgress::new(self.terminal);
        let report = execute::apply(applier, &self.plan, &options, stop, &mut |event| progress.show(&event)).await;
        progress.end();
        Ok(report?)
    }

    /// The entry of the run in the history.
    fn run(&self) -> Run {
        let (command, reverts) = match self.mode {
            PlanMode::Declared(_) => ("apply", None),
            PlanMode::Before(run) => ("rollback", Some(*run)),
            PlanMode::Nothing => ("destroy", None),
            PlanMode::Released(_) => ("forget", None),
        };
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let operator = variable("USER").or_else(|| variable("LOGNAME"));
        Run { command: command.to_owned(), reverts, operator, commit: commit(self.global) }
    }

    async fn conclude(&self, report: &Report) -> Result<Exit, Failure> {
        let terminal = self.terminal;
        let Some(error) = &report.error else {
            let changes = self.plan.changes.iter().filter(|change| change.action.changes_the_database()).count();
            if terminal.json {
                terminal.json_line(&serde_json::json!({ "event": "done", "run": report.run.0, "changes": changes }));
            } else if changes > 0 {
                terminal.print(&format!("Applied: {changes} changes, run {}.\n", report.run.0));
            }
            return Ok(incomplete(&self.plan, terminal).unwrap_or(Exit::Done));
        };
        if terminal.json {
            let outcome = error.outcome().name();
            terminal.json_line(&serde_json::json!({
                "event": "stopped", "run": report.run.0, "outcome": outcome, "done": report.done,
                "remaining": report.remaining,
            }));
        }
        for address in &report.done {
            terminal.say(&format!("done:     {}", render::printable(&address.to_string())));
        }
        for address in &report.remaining {
            terminal.say(&format!("not done: {}", render::printable(&address.to_string())));
        }
        let mut message = format!("run {}: {error}", report.run.0);
        let (exit, hint) = match error {
            RunError::Interrupted | RunError::Blocked { .. } => {
                (Exit::Incomplete, "the completed changes are recorded; run this again to continue")
            }
            RunError::ConnectionLost { .. } => {
                (Exit::Incomplete, "run this again: it looks up the result of the last step, and continues")
            }
            RunError::Failed { address, error, .. } => {
                if let Some(detail) = error.server().and_then(|server| server.detail.as_ref()) {
                    message.push_str(&format!(" {detail}"));
                }
                message.push_str(&self.samples(address.as_ref(), error).await);
                (Exit::Error, "the completed changes are recorded; run this again to continue")
            }
        };
        Err(Failure::said(exit, render::printable(&message), hint))
    }

    /// Some duplicate keys that prevent a unique index.
    async fn samples(&self, address: Option<&Address>, error: &LiveError) -> String {
        let violated = sqlstate::is(error, sqlstate::UNIQUE_VIOLATION);
        let change = self.plan.changes.iter().find(|change| Some(&change.address) == address);
        let Some(PlannedChange { after: Some(Object::Index(index)), .. }) = change.filter(|_| violated) else {
            return String::new();
        };
        // The error is shown in any case; samples only add to it.
        let Ok(mut session) = Session::connect(self.target).await else { return String::new() };
        let samples = duplicates::sample(&mut session, index, &self.plan.session.search_path).await;
        let lines = samples.unwrap_or_default().into_iter().map(|duplicate| format!("\n  {duplicate}"));
        lines.collect()
    }

    /// Drops the registry as the last step of `destroy`, unless a protected object is still managed.
    async fn remove_registry(&self, applier: &mut Session) -> Result<(), Failure> {
        let registry = options::registry(self.project);
        let left = registry.managed(applier).await?;
        let schema = &self.project.settings.registry_schema;
        if let Some(first) = left.first() {
            let more = left.len();
            self.terminal.say(&format!("schema {schema} is kept: {more} still managed, such as {first}"));
            return Ok(());
        }
        registry.remove(applier, self.project.settings.lock_timeout).await.map_err(|error| {
            if ErrorKind::of(&error) == ErrorKind::Lock {
                let message = format!("schema {schema} is in use: {error}");
                return Failure::said(Exit::Incomplete, message, "all managed objects were removed; run this again");
            }
            let others = error
                .server()
                .filter(|server| server.code == sqlstate::DEPENDENT_OBJECTS)
                .and_then(|server| server.detail.clone());
            let Some(others) = others else { return error.into() };
            let message = format!("schema {schema} is kept, with registry and history: {others}");
            let hint = "all managed objects were removed; move the other objects out of the schema, and run this again";
            Failure::said(Exit::Error, render::printable(&message), hint)
        })?;
        self.terminal.say(&format!("dropped schema {schema}"));
        Ok(())
    }
}

/// How a command ends if its plan leaves something out. It also prints that.
pub(crate) fn incomplete(plan: &Plan, terminal: &Terminal) -> Option<Exit> {
    let count = plan.left_out();
    if count == 0 {
        return None;
    }
    let (views, are) = if count == 1 { ("view", "is") } else { ("views", "are") };
    terminal.say(&format!("not all: {count} declared {views} {are} left out; the plan's notes say what to do first"));
    Some(Exit::Incomplete)
}

/// The commit of the declared files, if they are in a git checkout.
fn commit(global: &Global) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(&global.directory).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
