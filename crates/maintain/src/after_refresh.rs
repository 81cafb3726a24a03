//! The views that a rule has refreshed before its rows go (`after_refresh`): no row goes that one of them has not seen.

use reconcile_apply::registry::run_record::Outcome;
use reconcile_core::kinds::retention::{Rule, preflight::Refused};

use crate::{
    applied::{self, AppliedError},
    context::RunContext,
    event::{Operation, Report},
    refresh::refresh,
    run_error::RunError,
    run_outcome::RunOutcome,
};

/// Refreshes the views of a rule, and adds what came of it to `operations`. An error: one of them is not up to date.
pub(crate) async fn refresh_views(
    context: &mut RunContext<'_>,
    rule: &Rule,
    operations: &mut Vec<Operation>,
) -> Result<(), RunError> {
    if rule.after_refresh.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = rule.after_refresh.iter().map(ToString::to_string).collect();
    let views = applied::views(context.session, &context.options.registry, &names).await.map_err(not_applied)?;
    let report = refresh(context.session, &views, context.options, context.stop.clone(), context.tell).await?;
    let error = first_error(&report);
    operations.extend(report.operations);
    // The refreshes have changed the connection's settings.
    context.prepare().await?;
    error.map_or(Ok(()), Err)
}

/// Why the rule cannot go on: the first refresh that failed, else the first that was skipped. `None`: all are done.
fn first_error(report: &Report) -> Option<RunError> {
    if report.outcome == RunOutcome::Done {
        return None;
    }
    let undone = || report.operations.iter().filter(|operation| operation.outcome != Outcome::Done);
    let operation = undone().find(|operation| operation.outcome != Outcome::Skipped).or_else(|| undone().next())?;
    let why = operation.message.as_deref().unwrap_or(operation.outcome.name());
    let message = format!("not begun: {} was not refreshed: {why}", operation.subject.name());
    Some(RunError::ViewNotRefreshed(report.outcome, Refused::new(message, operation.hint.clone().unwrap_or_default())))
}

fn not_applied(error: AppliedError) -> RunError {
    match error {
        AppliedError::Live(error) => error.into(),
        AppliedError::Name { .. } | AppliedError::Unknown { .. } | AppliedError::Entry { .. } => {
            let hint = "plan and apply: they show what the rule and the views disagree on".to_owned();
            RunError::ViewNotRefreshed(RunOutcome::Failed, Refused::new(format!("not begun: {error}"), hint))
        }
    }
}
