//! The results of retention rules and of refreshes, for people.

use reconcile_maintain::event::Operation;
use reconcile_render::{printable, thousands};

use super::table;

/// A line for each step, with the columns of the records. Below are the reasons for steps that are not done. The first
/// column has another name for views than for tables.
pub(crate) fn steps(steps: &[Operation]) -> String {
    let mut parts: Vec<_> = steps.chunk_by(|a, b| a.subject.column() == b.subject.column()).map(part).collect();
    if parts.is_empty() {
        parts.push(part(steps));
    }
    parts.join("\n")
}

fn part(steps: &[Operation]) -> String {
    let subject = steps.first().map_or("table_name", |step| step.subject.column());
    let mut rows = vec![[subject, "action", "rows_affected", "execution_time_ms", "outcome"].map(str::to_owned)];
    rows.extend(steps.iter().map(|step| {
        [
            printable(step.subject.name()),
            step.action.clone(),
            thousands(step.rows_affected),
            thousands(step.execution_time_ms),
            step.outcome.name().to_owned(),
        ]
    }));
    let mut text = table(&rows, &[2, 3]);
    for step in steps {
        let Some(message) = &step.message else { continue };
        text.push_str(&format!("\n{}: {}\n", printable(step.subject.name()), printable(message)));
        if let Some(hint) = &step.hint {
            text.push_str(&format!("hint: {}\n", printable(hint)));
        }
    }
    text
}
