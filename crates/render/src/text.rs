//! A plan for people to read.

use reconcile_core::{
    kind::Describe,
    plan::{Action, Plan, PlannedChange, Step},
};

use crate::{
    pieces::{depends_on_size, diff, estimate, size, summary_line},
    words::printable,
};

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan, colors: bool) -> String {
    let paint = Paint { colors };
    let mut text = String::new();
    for change in &plan.changes {
        text.push_str(&block(change, &paint));
    }
    for note in &plan.notes {
        let line = format!("  note: {note}");
        text.push_str(&format!("{}\n", paint.with(DIM, &printable(&line))));
    }
    if plan.left_alone > 0 && plan.has_changes() {
        let count = plan.left_alone;
        let (indexes, are) = if count == 1 { ("index", "is") } else { ("indexes", "are") };
        let line = format!("  note: {count} more {indexes} of these tables {are} not declared, and {are} left alone");
        text.push_str(&format!("{}\n", paint.with(DIM, &line)));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!("{}\n", paint.with(BOLD, &summary_line(plan))));
    text
}

fn block(change: &PlannedChange, paint: &Paint) -> String {
    let head = format!("{:>3} {}", change.action.sign(), printable(&change.address.to_string()));
    let mut text = format!("{}\n", paint.with(color(change.action), &head));
    if change.action == Action::Adopt {
        return text;
    }
    text.push_str(&format!("      {}\n", printable(&change.reason)));
    text.push_str(&definitions(change, paint));
    text.push_str(&statements(change, paint));
    if let (Action::Create, Some(object)) = (change.action, &change.after)
        && let Some(words) = object.beyond_statements()
    {
        text.push_str(&format!("      {}\n", printable(&words)));
    }
    if !change.hazards.is_empty() {
        let hazards: Vec<_> = change.hazards.iter().map(|hazard| hazard.name()).collect();
        text.push_str(&format!("      hazards: {}\n", paint.with(YELLOW, &hazards.join(", "))));
    }
    text.push_str(&figures(change));
    text.push('\n');
    text
}

/// The definitions before and after, if they show more than the statements.
fn definitions(change: &PlannedChange, paint: &Paint) -> String {
    let painted = |(sign, line): (char, String)| {
        let line = format!("      {sign} {line}");
        match sign {
            '-' => format!("{}\n", paint.with(RED, &line)),
            '+' => format!("{}\n", paint.with(GREEN, &line)),
            _ => format!("{line}\n"),
        }
    };
    if shows_diff(change) { diff(change).into_iter().map(painted).collect() } else { String::new() }
}

/// The statements in their order, with the ends of their transactions.
fn statements(change: &PlannedChange, paint: &Paint) -> String {
    let mut text = String::new();
    let mut transaction = None;
    for step in &change.steps {
        if step.transaction() != transaction {
            text.push_str(match (transaction, step.transaction()) {
                (None, Some(_)) => "      BEGIN;\n",
                (Some(_), Some(_)) => "      COMMIT;\n      BEGIN;\n",
                (_, None) => "      COMMIT;\n",
            });
        }
        transaction = step.transaction();
        text.push_str(&statement(step, paint));
    }
    if transaction.is_some() {
        text.push_str("      COMMIT;\n");
    }
    text
}

/// The size of the relation, and the rows that a rule would remove.
fn figures(change: &PlannedChange) -> String {
    let mut text = String::new();
    let relation = &change.impact.relation;
    if depends_on_size(change) && (relation.bytes > 0 || relation.rows.is_some() || !change.steps.is_empty()) {
        text.push_str(&format!("      {}: {}\n", printable(&relation.name.to_string()), size(relation)));
    }
    if let Some(found) = &change.impact.estimate {
        text.push_str(&format!("      {}\n", estimate(found)));
    }
    text
}

fn statement(step: &Step, paint: &Paint) -> String {
    let sql = printable(step.sql.as_str()).replace('\n', "\n      ");
    let lock = step.lock.map(|lock| format!("        -- {lock:?}: {}\n", lock.effect()));
    format!("      {sql};\n{}", paint.with(DIM, &lock.unwrap_or_default()))
}

/// Whether the definitions are shown. A rename, for example, does not change the definition.
fn shows_diff(change: &PlannedChange) -> bool {
    match change.action {
        Action::Update | Action::Replace => true,
        Action::Create => change.after.as_ref().is_some_and(Describe::is_shown_when_new),
        Action::Drop | Action::Rename | Action::Adopt | Action::Repair | Action::Forget => false,
    }
}

fn color(action: Action) -> &'static str {
    match action {
        Action::Create => GREEN,
        Action::Drop | Action::Forget => RED,
        Action::Update | Action::Replace | Action::Rename | Action::Repair => YELLOW,
        Action::Adopt => DIM,
    }
}

struct Paint {
    colors: bool,
}

impl Paint {
    fn with(&self, color: &str, text: &str) -> String {
        if self.colors && !text.is_empty() { format!("{color}{text}{PLAIN}") } else { text.to_owned() }
    }
}
