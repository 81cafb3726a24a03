//! `retain`: runs the applied retention rules, shows what they would do, or moves rows back from an archive. `maintain`:
//! runs those that are due.

use reconcile_core::kinds::retention::Rule;
use reconcile_live::{LiveError, Session};
use reconcile_maintain::{
    Options, applied,
    due::{self, Timed},
    event::{Event, Report},
    preview::preview,
    restore::{Bounds, restore},
    retain::retain,
};
use tokio::sync::watch;

use crate::{
    args::{Global, RetainArgs},
    carry_out::interrupts,
    error::{Exit, Failure},
    gone::Gone,
    project::{self, Connected},
    terminal::Terminal,
    upkeep::{begun, conclude, failure, options, ours_alone, over},
};

/// Runs, counts or restores, and prints what came of it.
pub(crate) async fn run(global: &Global, args: &RetainArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let tables = args.restore.as_ref().map_or_else(|| args.tables.clone(), |table| vec![table.clone()]);
    let rules = applied::rules(&mut session, &options.registry, &tables).await.map_err(failure)?;
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
