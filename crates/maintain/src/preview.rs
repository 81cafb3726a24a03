//! What a run would do: exact counts, all of one snapshot that writes nothing.

use reconcile_core::{
    kinds::retention::{
        Rule,
        batch::{self, Selection},
    },
    postgres::sql::Sql,
};
use reconcile_live::{LiveError, Session, settings};
use tokio::time::Instant;

use crate::{
    Options,
    context::{self, Ended, number, text},
    event::{Outcome, Report, Step, Verdict},
    retain::beyond,
};

/// Counts what rules would do now.
///
/// # Errors
/// The connection or the server fails.
pub async fn preview(session: &mut Session, rules: &[Rule], options: &Options) -> Result<Report, LiveError> {
    let path = Sql::new("SET LOCAL search_path = ").search_path(&options.search_path);
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}SET LOCAL statement_timeout = 0; {path}",
        settings::local()
    );
    session.batch(&begin).await?;
    let result = counted(session, rules).await;
    // Nothing was written that a broken connection could keep.
    drop(session.batch("ROLLBACK").await);
    result
}

async fn counted(session: &mut Session, rules: &[Rule]) -> Result<Report, LiveError> {
    let now = text(session, "SELECT now()::text").await?;
    let mut report = Report { steps: Vec::new(), verdict: Verdict::Done };
    for rule in rules {
        session.batch("SAVEPOINT reconcile_rule").await?;
        let ended = match rule_steps(session, rule, &now).await {
            Ok(steps) => {
                report.steps.extend(steps);
                continue;
            }
            Err(Ended::Lost(message)) => return Err(LiveError::Connection(message)),
            Err(ended) => ended,
        };
        session.batch("ROLLBACK TO SAVEPOINT reconcile_rule").await?;
        report.verdict = report.verdict.min(ended.verdict());
        report.steps.push(Step::of(&rule.table, rule.label()).ended(&ended));
    }
    Ok(report)
}

async fn rule_steps(session: &mut Session, rule: &Rule, now: &str) -> Result<Vec<Step>, Ended> {
    let scene = context::scene(session, rule).await?;
    let cut_off = context::cut_off(session, rule, &scene, now).await?;
    let selection = Selection::expired(rule, &cut_off);
    let mut steps = Vec::new();
    for (child, link) in &scene.children {
        let step = Step::of(&child.name, rule.child_label());
        steps.push(count(session, step, selection.count_children(link)).await?);
    }
    let own = count(session, Step::of(&rule.table, rule.label()), selection.count(&rule.table)).await?;
    let total = match rule.limits.max_fraction {
        Some(_) => Some(number(session, batch::total(&rule.table).as_str()).await?),
        None => None,
    };
    if let Some(message) = beyond(rule, own.rows_affected, total) {
        return Err(Ended::Beyond(reconcile_core::kinds::retention::preflight::Refused {
            message,
            hint: "if that is right, raise the rule's `limits`, and apply it".to_owned(),
        }));
    }
    steps.push(own);
    Ok(steps)
}

async fn count(session: &mut Session, mut step: Step, sql: Sql) -> Result<Step, LiveError> {
    let began = Instant::now();
    step.rows_affected = number(session, sql.as_str()).await?;
    step.execution_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    step.outcome = Outcome::Done;
    Ok(step)
}
