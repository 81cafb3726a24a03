//! `maintain`: runs the work that is due: the retention rules, then the refreshes, each view after those that it reads.
//! A view is not due any more if a rule refreshed it before the rule's rows went.

use reconcile_live::Session;
use reconcile_maintain::{
    Options,
    due::{self, Unfilled},
    event::Report,
    refresh::refresh,
    retain::retain,
};
use tokio::sync::watch;

use crate::{
    args::Global,
    error::{Exit, Failure},
    maintenance::{begin, due_now, exit, failure, not_started, observer, options, show},
    project::{self, Connected},
    terminal::Terminal,
};

/// Runs the work that is due, names the rest, and prints the results.
pub(crate) async fn run(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let Connected { project, mut session, .. } = project::connect(global).await?;
    let options = options(&project);
    let mut connection = Connection { session: &mut session, stop: None };
    let rules = rules(&mut connection, &options, terminal).await?;
    let views = views(&mut connection, &options, terminal).await?;
    let reports: Vec<_> = rules.into_iter().chain(views).collect();
    session.close().await;
    let Some(worst) = reports.iter().map(|report| report.outcome).min() else {
        terminal.say("nothing is due");
        return Ok(Exit::Done);
    };
    for report in &reports {
        show(report, terminal);
    }
    Ok(exit(worst))
}

/// The connection, which is checked before the first rule or view that is due runs on it.
struct Connection<'a> {
    session: &'a mut Session,
    stop: Option<watch::Receiver<bool>>,
}

impl Connection<'_> {
    /// Checks the connection once. Returns the channel that tells whether the user wants to stop.
    async fn ready(&mut self) -> Result<watch::Receiver<bool>, Failure> {
        if let Some(stop) = &self.stop {
            return Ok(stop.clone());
        }
        let stop = begin(self.session).await?;
        Ok(self.stop.insert(stop).clone())
    }
}

async fn rules(
    connection: &mut Connection<'_>,
    options: &Options,
    terminal: &Terminal,
) -> Result<Option<Report>, Failure> {
    let scheduled = due::rules(connection.session, &options.registry).await.map_err(failure)?;
    let due = due_now(scheduled, |rule| (&rule.table, rule.zone()), "retain", terminal);
    if due.is_empty() {
        return Ok(None);
    }
    let stop = connection.ready().await?;
    let report = retain(connection.session, &due, options, stop, &mut observer(terminal)).await;
    report.map(Some).map_err(not_started)
}

async fn views(
    connection: &mut Connection<'_>,
    options: &Options,
    terminal: &Terminal,
) -> Result<Option<Report>, Failure> {
    let scheduled = due::views(connection.session, &options.registry, Unfilled::Waits).await.map_err(failure)?;
    let due = due_now(scheduled, |view| (&view.name, view.zone()), "refresh", terminal);
    if due.is_empty() {
        return Ok(None);
    }
    let stop = connection.ready().await?;
    let report = refresh(connection.session, &due, options, stop, &mut observer(terminal)).await;
    report.map(Some).map_err(not_started)
}
