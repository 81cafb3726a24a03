//! `refresh`: refreshes materialized views, in the order in which they read each other.

use reconcile_core::kinds::matview::Matview;
use reconcile_live::Session;
use reconcile_maintain::{
    Options, applied,
    due::{self, Unfilled},
    refresh::refresh,
};

use crate::{
    args::{Global, RefreshArgs},
    error::{Exit, Failure},
    maintenance::{begin, conclude, due_now, failure, not_started, observer, options},
    project::{self, Connected},
    terminal::Terminal,
};

/// Refreshes the applied views, or some of them, and prints the results.
pub(crate) async fn run(global: &Global, args: &RefreshArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let mut views = applied::views(&mut session, &options.registry, &args.views).await.map_err(failure)?;
    if views.is_empty() {
        terminal.say("no materialized view is applied here");
        return Ok(Exit::Done);
    }
    if args.stale {
        views = stale(&mut session, &views, &options, terminal).await?;
        if views.is_empty() {
            terminal.say("nothing is stale");
            return Ok(Exit::Done);
        }
    }
    let stop = begin(&mut session).await?;
    let report = refresh(&mut session, &views, &options, stop, &mut observer(terminal)).await.map_err(not_started)?;
    session.close().await;
    Ok(conclude(&report, terminal))
}

/// The views that are older than their schedule allows, or were never filled. Names the others.
async fn stale(
    session: &mut Session,
    chosen: &[Matview],
    options: &Options,
    terminal: &Terminal,
) -> Result<Vec<Matview>, Failure> {
    let scheduled = due::views(session, &options.registry, Unfilled::Due).await.map_err(failure)?;
    let chosen = scheduled.into_iter().filter(|scheduled| chosen.contains(&scheduled.item));
    Ok(due_now(chosen, |view| (&view.name, view.zone()), "refresh", terminal))
}
