//! What a rule has refreshed before its rows go: no row goes that one of those views has not seen.

use reconcile_core::kinds::retention::{Rule, preflight::Refused};

use crate::{
    applied::{self, AppliedError},
    context::{Ended, RunContext},
    event::{Outcome, Report, Step, Verdict},
    refresh::refresh,
};

/// Refreshes the views of a rule, and adds what came of it to `steps`. An error: one of them is not up to date.
pub(crate) async fn before(context: &mut RunContext<'_>, rule: &Rule, steps: &mut Vec<Step>) -> Result<(), Ended> {
    if rule.after_refresh.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = rule.after_refresh.iter().map(ToString::to_string).collect();
    let views = applied::views(context.session, &context.options.registry, &names).await.map_err(unknown)?;
    let report = refresh(context.session, &views, context.options, context.stop.clone(), context.tell).await?;
    let held = held(&report);
    steps.extend(report.steps);
    // The connection is set up for refreshes now.
    context.prepare().await?;
    held.map_or(Ok(()), Err)
}

/// Why the rule cannot go on, unless all is done: the first failure, before what was only left out.
fn held(report: &Report) -> Option<Ended> {
    if report.verdict == Verdict::Done {
        return None;
    }
    let undone = || report.steps.iter().filter(|step| step.outcome != Outcome::Done);
    let step = undone().find(|step| step.outcome != Outcome::Skipped).or_else(|| undone().next())?;
    let why = step.message.as_deref().unwrap_or(step.outcome.name());
    let message = format!("not begun: {} was not refreshed: {why}", step.subject.name());
    Some(Ended::Held(report.verdict, Refused { message, hint: step.hint.clone().unwrap_or_default() }))
}

fn unknown(error: AppliedError) -> Ended {
    match error {
        AppliedError::Live(error) => error.into(),
        AppliedError::Name { .. } | AppliedError::Unknown { .. } | AppliedError::Entry { .. } => {
            let hint = "plan and apply: they show what the rule and the views disagree on".to_owned();
            Ended::Held(Verdict::Failed, Refused { message: format!("not begun: {error}"), hint })
        }
    }
}
