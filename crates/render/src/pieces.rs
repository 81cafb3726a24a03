//! The parts of a plan that several formats show in the same way.

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

/// The lines of the definitions before and after, each with its sign. Empty if there is nothing to compare. A new
/// object is shown in full if its statements do not show what it means.
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

/// The rows that a rule would remove, for people.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    let oldest = estimate.oldest.as_ref().map(|oldest| format!("; the oldest is from {}", printable(oldest)));
    let Some(rows) = estimate.rows else {
        let unknown = "how many rows are past the cut-off is unknown: the table was never analysed, and a count takes longer \
                       than 2 s; run ANALYZE to get an estimate";
        return unknown.to_owned() + &oldest.unwrap_or_default();
    };
    if rows == 0 && estimate.counted {
        return "no rows are past the cut-off".to_owned();
    }
    let (plural, are) = if rows == 1 { ("", "is") } else { ("s", "are") };
    let about = if estimate.counted { "" } else { "about " };
    let size = estimate.bytes.map(|size| format!(" ({})", bytes(size))).unwrap_or_default();
    let mut text = format!("{about}{} row{plural}{size} {are} past the cut-off", thousands(rows));
    if let Some(before) = estimate.before {
        text.push_str(&format!(", {} more than with the applied rule", thousands(rows.saturating_sub(before))));
    }
    text.push_str(&oldest.unwrap_or_default());
    let batches = estimate.batches.map(|batches| {
        let plural = if batches == 1 { "" } else { "es" };
        format!("; {} batch{plural}", thousands(batches))
    });
    text + &batches.unwrap_or_default()
}

/// Whether the size of the relation says anything about a change.
pub(crate) fn depends_on_size(change: &PlannedChange) -> bool {
    let object = change.after.as_ref().or(change.before.as_ref());
    object.is_none_or(|object| object.depends_on_size(change.action))
}

/// A relation's size for people.
pub(crate) fn size(relation: &RelationSize) -> String {
    let rows = match relation.rows {
        Some(rows) => format!("about {} rows", thousands(rows)),
        None => "rows unknown, never analysed".to_owned(),
    };
    format!("{}, {rows}", bytes(relation.bytes))
}
