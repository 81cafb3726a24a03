//! The pieces of a plan that several formats show alike.

use reconcile_core::{
    kind::Describe as _,
    plan::{Estimate, Plan, PlannedChange, RelationSize, Summary},
};
use similar::{ChangeTag, TextDiff};

use crate::words::{bytes, printable, thousands};

/// The last line of a plan.
pub(crate) fn summary_line(plan: &Plan) -> String {
    if !plan.has_changes() && plan.summary.forget == 0 {
        return "No changes. The database matches the declared state.".to_owned();
    }
    let Summary { create, update, replace, drop, rename, adopt, repair, forget } = plan.summary;
    let mut line = format!("Plan: {create} to create, {update} to update, {replace} to replace, {drop} to drop");
    for (count, what) in [(rename, "rename"), (adopt, "adopt"), (repair, "repair"), (forget, "forget")] {
        if count > 0 {
            line.push_str(&format!(", {count} to {what}"));
        }
    }
    line + "."
}

/// The lines of the definitions before and after, each with its sign; empty where nothing can be compared. What no
/// statement says the meaning of is shown whole when it is new.
pub(crate) fn diff(change: &PlannedChange) -> Vec<(char, String)> {
    let Some(after) = &change.after else { return Vec::new() };
    let Some(before) = &change.before else {
        let shown = if after.is_shown_when_new() { after.lines() } else { String::new() };
        return shown.lines().map(|line| ('+', printable(line))).collect();
    };
    let after = after.clone().over(before);
    let (before, after) = (before.lines(), after.lines());
    TextDiff::from_lines(&before, &after)
        .iter_all_changes()
        .map(|line| {
            let sign = match line.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            (sign, printable(line.value().trim_end_matches('\n')))
        })
        .collect()
}

/// How much a rule would let go, for people.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    let Estimate { rows, bytes: size, before, batches, oldest } = estimate;
    let (plural, are) = if *rows == 1 { ("", "is") } else { ("s", "are") };
    let mut text = format!("about {} row{plural} ({}) {are} past their time", thousands(*rows), bytes(*size));
    if let Some(before) = before {
        let more = rows.saturating_sub(*before);
        text.push_str(&format!(", {} more than under the rule in force", thousands(more)));
    }
    if let Some(oldest) = oldest {
        text.push_str(&format!("; the oldest is of {}", printable(oldest)));
    }
    let plural = if *batches == 1 { "" } else { "es" };
    text + &format!("; {} batch{plural}", thousands(*batches))
}

/// A relation's size for people.
pub(crate) fn size(relation: &RelationSize) -> String {
    let rows = match relation.rows {
        Some(rows) => format!("about {} rows", thousands(rows)),
        None => "rows unknown, never analysed".to_owned(),
    };
    format!("{}, {rows}", bytes(relation.bytes))
}
