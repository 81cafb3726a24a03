//! `refresh`: brings materialized views up to date, in the order in which they read each other.

use reconcile_live::LiveError;
use reconcile_maintain::refresh::{
    Event, Step, refresh,
    views::{self, ViewsError},
};
use tokio::sync::watch;

use crate::{
    args::{Global, RefreshArgs},
    carry_out::interrupts,
    commands::retain::{begun, exit, options, ours_alone},
    error::{Exit, Failure},
    project::{self, Connected},
    render::{self, printable},
    terminal::Terminal,
};

/// Refreshes the applied views, or some of them, and prints what came of it.
pub(crate) async fn run(global: &Global, args: &RefreshArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let views = views::applied(&mut session, &options.registry, &args.views).await.map_err(failure)?;
    if views.is_empty() {
        terminal.say("no materialized view is applied here");
        return Ok(Exit::Done);
    }
    ours_alone(&mut session).await?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(interrupts(stop));
    let mut tell = |event: Event<'_>| match event {
        Event::Begins(line) => terminal.say(&format!("{} of {}", line.action, printable(&line.view_name))),
        Event::Waits(reason) => terminal.say(&format!("  waiting: {}", printable(&reason))),
        Event::Over(line) => over(line, terminal),
    };
    let report = refresh(&mut session, &views, &options, stopping, &mut tell).await.map_err(begun)?;
    session.close().await;
    if !terminal.json {
        terminal.print(&render::refresh::steps(&report.steps));
    }
    Ok(exit(report.verdict))
}

/// A program reads each step as it ends.
fn over(step: &Step, terminal: &Terminal) {
    if terminal.json {
        terminal.json_line(&serde_json::json!(step));
    }
}

fn failure(error: ViewsError) -> Failure {
    match error {
        ViewsError::Live(error) => LiveError::into(error),
        ViewsError::Unknown { ref hint, .. } => Failure::said(Exit::Error, error.to_string(), hint.clone()),
        ViewsError::Name(_) => Failure::said(Exit::Error, error.to_string(), "write `schema.view`, as its file does"),
        ViewsError::Entry(_) => Failure::said(
            Exit::Error,
            error.to_string(),
            "use the version of reconcile that applied it, or apply again",
        ),
    }
}
