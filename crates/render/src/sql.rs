//! A plan as a script for psql: the statements, with the settings that they depend on.

use reconcile_core::{plan::Plan, postgres::sql::Sql};

use crate::{pieces::summary_line, words::printable};

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut text = format!("-- {}\n", summary_line(plan));
    if plan.changes.iter().all(|change| change.steps.is_empty()) {
        return text;
    }
    let path = Sql::new("SET search_path = ").search_path(&plan.session.search_path);
    text.push_str(&format!("{path};\n"));
    for change in plan.changes.iter().filter(|change| !change.steps.is_empty()) {
        let address = printable(&change.address.to_string()).replace('\n', " ");
        text.push_str(&format!("\n-- {} {address}: {}\n", change.action.sign(), one_line(&change.reason)));
        let mut open = None;
        for step in &change.steps {
            if step.transaction() != open {
                if open.is_some() {
                    text.push_str("COMMIT;\n");
                }
                if step.transaction().is_some() {
                    text.push_str("BEGIN;\n");
                }
                open = step.transaction();
            }
            let lock = step.timeouts.lock_ms.unwrap_or(0);
            let statement = step.timeouts.statement_ms.unwrap_or(0);
            text.push_str(&format!("SET lock_timeout = {lock}; SET statement_timeout = {statement};\n{};\n", step.sql));
        }
        if open.is_some() {
            text.push_str("COMMIT;\n");
        }
    }
    text
}

/// A comment ends with its line, so the text must be one line.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}
