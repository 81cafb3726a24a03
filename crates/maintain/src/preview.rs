//! What a run would do: exact counts, all of one snapshot that writes nothing.

use reconcile_apply::registry::run_record::Outcome;
use reconcile_core::{
    kinds::retention::{
        Rule,
        batch::{self, Selection},
        preflight::Refused,
    },
    postgres::sql::Sql,
};
use reconcile_live::{LiveError, Session, settings};
use tokio::time::Instant;

use crate::{
    Options,
    context::{read_cut_off, read_tables},
    event::{Operation, Report},
    retain::over_limits,
    run_error::RunError,
    run_outcome::RunOutcome,
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
    let result = count_rules(session, rules).await;
    // Nothing was written that a broken connection could keep.
    drop(session.batch("ROLLBACK").await);
    result
}

async fn count_rules(session: &mut Session, rules: &[Rule]) -> Result<Report, LiveError> {
    let now = session.text("SELECT now()::text").await?;
    let mut report = Report { operations: Vec::new(), outcome: RunOutcome::Done };
    for rule in rules {
        session.batch("SAVEPOINT reconcile_rule").await?;
        let error = match count_rule(session, rule, &now).await {
            Ok(operations) => {
                report.operations.extend(operations);
                continue;
            }
            Err(RunError::ConnectionLost(message)) => return Err(LiveError::Connection(message)),
            Err(error) => error,
        };
        session.batch("ROLLBACK TO SAVEPOINT reconcile_rule").await?;
        report.outcome = report.outcome.min(error.run_outcome());
        report.operations.push(Operation::on(&rule.table, rule.label()).ended(&error));
    }
    Ok(report)
}

async fn count_rule(session: &mut Session, rule: &Rule, now: &str) -> Result<Vec<Operation>, RunError> {
    let tables = read_tables(session, rule).await?;
    let cut_off = read_cut_off(session, rule, &tables, now).await?;
    let selection = Selection::expired(rule, &cut_off);
    let mut operations = Vec::new();
    for (child, link) in &tables.children {
        let operation = Operation::on(&child.name, rule.child_label());
        operations.push(count(session, operation, selection.count_children(link)).await?);
    }
    let own = count(session, Operation::on(&rule.table, rule.label()), selection.count(&rule.table)).await?;
    let total = match rule.limits.max_fraction {
        Some(_) => Some(session.number(batch::total(&rule.table).as_str()).await?),
        None => None,
    };
    if let Some(message) = over_limits(rule, own.rows_affected, total) {
        return Err(RunError::OverLimits(Refused::new(
            message,
            "if that is right, raise the rule's `limits`, and apply it",
        )));
    }
    operations.push(own);
    Ok(operations)
}

async fn count(session: &mut Session, mut operation: Operation, sql: Sql) -> Result<Operation, LiveError> {
    let began = Instant::now();
    operation.rows_affected = session.number(sql.as_str()).await?;
    operation.execution_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    operation.outcome = Outcome::Done;
    Ok(operation)
}
