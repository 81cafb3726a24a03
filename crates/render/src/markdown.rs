//! A plan in Markdown, for a comment on a pull request.

use reconcile_core::plan::{Plan, PlannedChange};

use crate::{
    pieces::{depends_on_size, diff, estimate, size, summary_line},
    words::printable,
};

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut text = format!("### reconcile: database `{}`\n\n", inline(&plan.database.name));
    if !plan.changes.is_empty() {
        text.push_str("| | object | reason | hazards | table |\n|---|---|---|---|---|\n");
    }
    for change in &plan.changes {
        let hazards: Vec<_> = change.hazards.iter().map(|hazard| format!("`{hazard}`")).collect();
        text.push_str(&format!(
            "| `{}` | `{}` | {} | {} | {} |\n",
            change.action.sign(),
            inline(&change.address.to_string()),
            cell(&reason(change)),
            hazards.join(" "),
            if depends_on_size(change) { size(&change.impact.relation) } else { String::new() }
        ));
    }
    for change in &plan.changes {
        text.push_str(&details(change));
    }
    for note in &plan.notes {
        let address = note.address.as_ref().map(|address| format!("`{}`: ", inline(&address.to_string())));
        text.push_str(&format!("\n- {}{}", address.unwrap_or_default(), cell(&note.text)));
    }
    text.push_str(&format!("\n**{}**\n", summary_line(plan)));
    text
}

fn reason(change: &PlannedChange) -> String {
    match &change.impact.estimate {
        Some(found) => format!("{}; {}", change.reason, estimate(found)),
        None => change.reason.clone(),
    }
}

fn details(change: &PlannedChange) -> String {
    if change.steps.is_empty() && change.impact.estimate.is_none() {
        return String::new();
    }
    let mut text = format!("\n<details><summary><code>{}</code></summary>\n", html(&change.address.to_string()));
    let diff = diff(change);
    if diff.iter().any(|(sign, _)| *sign != ' ') {
        let lines: Vec<_> = diff.iter().map(|(sign, line)| format!("{sign}{line}")).collect();
        text.push_str(&fenced("diff", &lines.join("\n")));
    }
    let steps: Vec<_> = change
        .steps
        .iter()
        .map(|step| {
            let lock = step.lock.map(|lock| format!(" -- {lock:?}: {}", lock.effect())).unwrap_or_default();
            format!("{};{lock}", printable(step.sql.as_str()))
        })
        .collect();
    if !steps.is_empty() {
        text.push_str(&fenced("sql", &steps.join("\n")));
    }
    text + "\n</details>\n"
}

/// A fenced block. The fence is longer than any in the text, so that no name can end the block.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}{language}\n{text}\n{fence}\n")
}

fn inline(text: &str) -> String {
    cell(&text.replace('`', "'"))
}

fn cell(text: &str) -> String {
    html(text).replace('|', "\\|")
}

fn html(text: &str) -> String {
    let text = printable(text).replace(['\n', '\t'], " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
