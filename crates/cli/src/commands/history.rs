//! `history`: lists the runs, or the steps of one run.

use reconcile_apply::registry::RunId;

use crate::{
    args::{Global, HistoryArgs},
    error::{Exit, Failure},
    options,
    project::{self, Connected},
    tables::history,
    terminal::Terminal,
};

/// Prints the runs, the latest first.
pub(crate) async fn run(global: &Global, args: &HistoryArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let registry = options::registry(&project);
    let only = args.run.map(RunId);
    let runs = if registry.exists(&mut session).await? { registry.runs(&mut session, only).await? } else { Vec::new() };
    let Some(only) = only else {
        if terminal.json {
            for run in &runs {
                terminal.json_line(&serde_json::json!(run));
            }
        } else if runs.is_empty() {
            terminal.print("Nothing was applied here yet.\n");
        } else {
            terminal.print(&history::runs(&runs));
        }
        return Ok(Exit::Done);
    };
    let Some(run) = runs.first() else {
        let message = format!("there is no run {}", only.0);
        return Err(Failure::said(Exit::Error, message, "`reconcile history` lists the runs"));
    };
    let steps = registry.steps(&mut session, only).await?;
    if terminal.json {
        for step in &steps {
            terminal.json_line(&serde_json::json!(step));
        }
    } else {
        terminal.print(&history::steps(run, &steps));
    }
    Ok(Exit::Done)
}
