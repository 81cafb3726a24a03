//! `retain`: runs the applied retention rules, counts what they would do, or moves rows back from an archive.

use reconcile_core::kinds::retention::Rule;
use reconcile_live::Session;
use reconcile_maintain::{
    Options, applied,
    event::Event,
    preview::preview,
    restore::{Bounds, restore},
    retain::retain,
};
use reconcile_render::printable;

use crate::{
    args::{Global, RetainArgs},
    error::{Exit, Failure},
    maintenance::{begin, conclude, failure, not_started, observer, options},
    project::{self, Connected},
    terminal::Terminal,
};

/// Runs, counts or restores, and prints the results.
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
        for rule in &rules {
            let views: Vec<_> = rule.after_refresh.iter().map(ToString::to_string).collect();
            if !views.is_empty() {
                let text = format!("{}: before any row goes, the run refreshes {}", rule.table, views.join(", "));
                terminal.say(&printable(&text));
            }
        }
        let report = preview(&mut session, &rules, &options).await?;
        let mut tell = observer(terminal);
        report.operations.iter().for_each(|operation| tell(Event::Finished(operation)));
        return Ok(conclude(&report, terminal));
    }
    let bounds = match (&args.restore, &args.from, &args.to) {
        (Some(_), Some(from), Some(to)) => Some(Bounds { from, to }),
        _ => None,
    };
    carried_out(session, &rules, bounds, &options, terminal).await
}

/// Runs or restores on a connection of its own, and prints the results.
async fn carried_out(
    mut session: Session,
    rules: &[Rule],
    bounds: Option<Bounds<'_>>,
    options: &Options,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let stop = begin(&mut session).await?;
    let mut tell = observer(terminal);
    let report = match (bounds, rules) {
        (Some(bounds), [rule, ..]) => restore(&mut session, rule, bounds, options, stop, &mut tell).await,
        _ => retain(&mut session, rules, options, stop, &mut tell).await,
    };
    let report = report.map_err(not_started)?;
    session.close().await;
    Ok(conclude(&report, terminal))
}
