//! `refresh`: brings materialized views up to date, in the order in which they read each other.

use reconcile_maintain::{
    applied,
    refresh::{Event, refresh},
};
use tokio::sync::watch;

use crate::{
    args::{Global, RefreshArgs},
    carry_out::interrupts,
    error::{Exit, Failure},
    project::{self, Connected},
    render::printable,
    terminal::Terminal,
    upkeep::{begun, conclude, failure, options, ours_alone, over},
};

/// Refreshes the applied views, or some of them, and prints what came of it.
pub(crate) async fn run(global: &Global, args: &RefreshArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let views = applied::views(&mut session, &options.registry, &args.views).await.map_err(failure)?;
    if views.is_empty() {
        terminal.say("no materialized view is applied here");
        return Ok(Exit::Done);
    }
    ours_alone(&mut session).await?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(interrupts(stop));
    let mut tell = |event: Event<'_>| match event {
        Event::Begins(line) => terminal.say(&format!("{} of {}", line.action, printable(line.subject.name()))),
        Event::Waits(reason) => terminal.say(&format!("  waiting: {}", printable(&reason))),
        Event::Over(line) => over(line, terminal),
    };
    let report = refresh(&mut session, &views, &options, stopping, &mut tell).await.map_err(begun)?;
    session.close().await;
    Ok(conclude(&report, terminal))
}
