//! A plan as text, Markdown, SQL and JSON.

pub(crate) mod history;
pub(crate) mod markdown;
pub(crate) mod sql;
pub(crate) mod steps;
mod table;
pub(crate) mod text;

use reconcile_core::{
    kind::Describe as _,
    plan::{Estimate, Plan, PlannedChange, RelationSize, Summary},
};
use similar::{ChangeTag, TextDiff};

use crate::args::Format;

/// The plan in one of the formats, with a newline at its end.
pub(crate) fn plan(plan: &Plan, format: Format, colors: bool) -> String {
    match format {
        Format::Text => text::plan(plan, colors),
        Format::Json => json(plan),
        Format::Markdown => markdown::plan(plan),
        Format::Sql => sql::plan(plan),
    }
}

/// The plan as a saved file has it.
pub(crate) fn json(plan: &Plan) -> String {
    match serde_json::to_string_pretty(plan) {
        Ok(text) => text + "\n",
        Err(error) => panic!("a plan is not JSON: {error}"),
    }
}

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
fn diff(change: &PlannedChange) -> Vec<(char, String)> {
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
fn estimate(estimate: &Estimate) -> String {
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
fn size(relation: &RelationSize) -> String {
    let rows = match relation.rows {
        Some(rows) => format!("about {} rows", thousands(rows)),
        None => "rows unknown, never analysed".to_owned(),
    };
    format!("{}, {rows}", bytes(relation.bytes))
}

/// Bytes as people read them, in powers of 1024, as PostgreSQL's `pg_size_pretty` does.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 10 * 1024 && unit + 1 < UNITS.len() {
        value = (value + 512) / 1024;
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}

/// `200000` as `200,000`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text with control characters shown instead of sent to the terminal; newlines and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown: Box<dyn Iterator<Item = char>> = if c.is_control() && c != '\n' && c != '\t' {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(8192), "8192 bytes");
        assert_eq!(bytes(47_185_920), "45 MB");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(12), "12");
        assert_eq!(printable("a\u{1b}[31m\n"), "a\\u{1b}[31m\n");
    }
}
