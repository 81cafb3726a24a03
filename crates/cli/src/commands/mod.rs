//! The commands. Each has a file, except those of a few lines, which are here.

pub(crate) mod apply;
pub(crate) mod demo;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod maintain;
pub(crate) mod plan;
pub(crate) mod refresh;
pub(crate) mod retain;
pub(crate) mod show;
pub(crate) mod validate;

use clap::CommandFactory as _;
use reconcile_apply::registry::RunId;

use crate::{
    args::{ApprovalArgs, Args, CompletionsArgs, DestroyArgs, ForgetArgs, Global, ParallelArgs, RollbackArgs},
    error::{Exit, Failure},
    plan_mode::PlanMode,
    terminal::Terminal,
    workflow::plan_and_carry_out,
};

/// `rollback`: plans and applies the state before a run.
pub(crate) async fn rollback(global: &Global, args: &RollbackArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    plan_and_carry_out(PlanMode::Before(RunId(args.run)), global, &args.approval, &args.parallel, terminal).await
}

/// `forget`: stops managing objects, which stay as they are.
pub(crate) async fn forget(global: &Global, args: &ForgetArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    // The command itself is the approval.
    let approval = ApprovalArgs { auto_approve: true, allow: Vec::new() };
    plan_and_carry_out(
        PlanMode::Released(args.addresses.clone()),
        global,
        &approval,
        &ParallelArgs::default(),
        terminal,
    )
    .await
}

/// `destroy`: removes everything that is managed, then the registry and the history.
pub(crate) async fn destroy(global: &Global, args: &DestroyArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    plan_and_carry_out(PlanMode::Nothing, global, &args.approval, &ParallelArgs::default(), terminal).await
}

/// Prints the JSON Schema of the files.
pub(crate) fn json_schema(terminal: &Terminal) -> Result<Exit, Failure> {
    match serde_json::to_string_pretty(&reconcile_config::json_schema()) {
        Ok(text) => terminal.print(&format!("{text}\n")),
        Err(error) => return Err(Failure::other(error.to_string())),
    }
    Ok(Exit::Done)
}

/// Prints completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs, terminal: &Terminal) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "reconcile", &mut script);
    terminal.print(&String::from_utf8_lossy(&script));
    Exit::Done
}
