//! How a retention rule is written in YAML, and what that means. Whether its table and columns exist is left to
//! `check`, which knows the live side.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Action, Batch, Child, Limits, Rule};
use crate::{
    postgres::{
        cron::crontab,
        duration::milliseconds,
        fragment::Fragment,
        name::{Ident, QualifiedName},
        period::Period,
    },
    problem::Problem,
    source::Source,
};

/// Which rows of a table may go, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// The date or timestamp that tells a row's age.
    pub column: String,
    /// How long rows are kept, as in `30 days` or `12 months`; months are calendar months.
    pub retain_for: String,
    /// `delete` where not given.
    #[serde(default)]
    pub action: Option<ActionSpec>,
    /// Where archived rows go: a table, or `file:DIR`, which is compressed JSON Lines with a `manifest.json`, in a
    /// folder of the machine that runs `retain`; below the project's folder, if relative. Needs `action: archive`.
    #[serde(default)]
    pub archive_to: Option<String>,
    /// SQL predicate: only rows for which it is true may go.
    #[serde(default, rename = "where")]
    pub predicate: Option<String>,
    /// Tables whose rows go before the row that they point at.
    #[serde(default)]
    pub children: Vec<ChildSpec>,
    /// How much goes at a time.
    #[serde(default)]
    pub batch: BatchSpec,
    /// What a run must not exceed; it refuses before the first row goes.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// Whether the tables are vacuumed and analysed after rows went; `true` where not given.
    #[serde(default)]
    pub vacuum: Option<bool>,
    /// When it runs, as cron writes it: minute, hour, day, month, day of the week.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The time zone of the calendar; `timestamp` columns need one.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Materialized views that are refreshed before rows go, as in `analytics.daily_sales`: what becomes of those rows
    /// is in them then. Where one of them cannot be refreshed, no row goes.
    #[serde(default)]
    pub after_refresh: Vec<String>,
}

/// What becomes of rows that are past their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionSpec {
    /// They are deleted.
    Delete,
    /// They are moved to `archive_to`.
    Archive,
}

/// A table whose rows point at the rule's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChildSpec {
    /// The table.
    pub table: String,
    /// Its column that points at the rule's table.
    pub foreign_key: String,
}

/// How much goes at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSpec {
    /// The most rows that one transaction takes: 20000.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rows: Option<u32>,
    /// How long a transaction should take, which batches adapt to: `100ms`.
    #[serde(default)]
    pub target: Option<String>,
    /// Between two batches: none.
    #[serde(default)]
    pub sleep: Option<String>,
    /// How far a replica may be behind before a run waits for it.
    #[serde(default)]
    pub max_lag: Option<String>,
    /// After this long a run ends, and the next one goes on.
    #[serde(default)]
    pub max_runtime: Option<String>,
}

/// What a run must not exceed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Rows of the rule's table.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Of the rule's table, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub max_fraction: Option<f64>,
}

/// Reads the rule of a table.
///
/// # Errors
/// Every name, period, fragment or combination that cannot be, each at its place below `at`.
pub fn lower(table: &QualifiedName, spec: &RuleSpec, at: &Source) -> Result<Rule, Vec<Problem>> {
    let mut reader = Reader { at, problems: Vec::new() };
    let column = reader.checked("column", Ident::new(&spec.column));
    let retain_for = reader.checked("retain_for", spec.retain_for.parse::<Period>());
    let action = reader.action(spec);
    let predicate = spec.predicate.as_ref().and_then(|text| reader.fragment(text));
    let children = reader.children(table, &spec.children);
    let batch = reader.batch(&spec.batch);
    let after_refresh = reader.views(&spec.after_refresh);
    reader.limits(&spec.limits);
    if let Some(schedule) = &spec.schedule {
        reader.schedule(schedule);
    }
    match (column, retain_for, action) {
        (Some(column), Some(retain_for), Some(action)) if reader.problems.is_empty() => Ok(Rule {
            table: table.clone(),
            column,
            retain_for,
            timezone: spec.timezone.clone(),
            action,
            predicate,
            children,
            batch,
            limits: Limits { max_rows: spec.limits.max_rows, max_fraction: spec.limits.max_fraction },
            vacuum: spec.vacuum.unwrap_or(true),
            schedule: spec.schedule.as_ref().map(|schedule| schedule.split_whitespace().collect::<Vec<_>>().join(" ")),
            after_refresh,
        }),
        _ => Err(reader.problems),
    }
}

struct Reader<'a> {
    at: &'a Source,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn checked<T, E: std::fmt::Display>(&mut self, key: &str, result: Result<T, E>) -> Option<T> {
        self.checked_at(&self.at.key(key), result)
    }

    fn checked_at<T, E: std::fmt::Display>(&mut self, at: &Source, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problems.push(Problem::new(at, error.to_string()))).ok()
    }

    fn action(&mut self, spec: &RuleSpec) -> Option<Action> {
        match (spec.action.unwrap_or(ActionSpec::Delete), &spec.archive_to) {
            (ActionSpec::Delete, None) => Some(Action::Delete),
            (ActionSpec::Delete, Some(_)) => {
                let problem = Problem::new(&self.at.key("archive_to"), "nothing is archived: the action is `delete`");
                self.problems.push(problem.on_key().hint("add `action: archive`, or take this away"));
                None
            }
            (ActionSpec::Archive, None) => {
                let problem = Problem::new(&self.at.key("action"), "it does not say where archived rows go");
                self.problems.push(problem.hint("add `archive_to: schema.table`, or `archive_to: file:DIR`"));
                None
            }
            (ActionSpec::Archive, Some(to)) => match to.strip_prefix("file:") {
                Some("") => {
                    let problem = Problem::new(&self.at.key("archive_to"), "it names no folder");
                    self.problems.push(problem.hint("write `file:DIR`, as in `file:archive/orders`"));
                    None
                }
                Some(folder) => Some(Action::ArchiveFiles(folder.to_owned())),
                None => self.checked("archive_to", QualifiedName::parse(to)).map(Action::Archive),
            },
        }
    }

    fn fragment(&mut self, text: &str) -> Option<Fragment> {
        match Fragment::new(text) {
            Ok(fragment) => Some(fragment),
            Err(error) => {
                self.problems.push(Problem::new(&self.at.key("where"), error.to_string()));
                None
            }
        }
    }

    fn children(&mut self, table: &QualifiedName, specs: &[ChildSpec]) -> Vec<Child> {
        let mut children: Vec<Child> = Vec::new();
        for (position, spec) in specs.iter().enumerate() {
            let at = self.at.key("children").item(position);
            let child = self.checked_at(&at.key("table"), QualifiedName::parse(&spec.table));
            let key = self.checked_at(&at.key("foreign_key"), Ident::new(&spec.foreign_key));
            let (Some(child), Some(foreign_key)) = (child, key) else { continue };
            if child == *table {
                let problem = Problem::new(&at.key("table"), "a table cannot be its own child here");
                self.problems.push(problem.hint("rows that point at rows of their own table are not supported"));
            }
            if children.iter().any(|known| known.table == child && known.foreign_key == foreign_key) {
                self.problems.push(Problem::new(&at, "this child is declared twice"));
            }
            children.push(Child { table: child, foreign_key });
        }
        children
    }

    fn views(&mut self, written: &[String]) -> Vec<QualifiedName> {
        let mut views = Vec::new();
        for (position, written) in written.iter().enumerate() {
            let at = self.at.key("after_refresh").item(position);
            let Some(view) = self.checked_at(&at, QualifiedName::parse(written)) else { continue };
            if views.contains(&view) {
                self.problems.push(Problem::new(&at, "this view is named twice"));
            }
            views.push(view);
        }
        views
    }

    fn batch(&mut self, spec: &BatchSpec) -> Batch {
        let at = self.at.key("batch");
        let default = Batch::default();
        if spec.rows == Some(0) {
            self.problems.push(Problem::new(&at.key("rows"), "the least is 1"));
        }
        let mut time = |key: &str, text: &Option<String>| {
            let text = text.as_ref()?;
            self.checked_at(&at.key(key), milliseconds(text))
        };
        Batch {
            target_ms: time("target", &spec.target).filter(|ms| *ms > 0).unwrap_or(default.target_ms),
            sleep_ms: time("sleep", &spec.sleep).unwrap_or(default.sleep_ms),
            max_lag_ms: time("max_lag", &spec.max_lag),
            max_runtime_ms: time("max_runtime", &spec.max_runtime),
            rows: spec.rows.unwrap_or(default.rows),
        }
    }

    fn limits(&mut self, spec: &LimitsSpec) {
        if spec.max_fraction.is_some_and(|part| !(0.0..=1.0).contains(&part)) {
            let at = self.at.key("limits").key("max_fraction");
            self.problems.push(Problem::new(&at, "a fraction lies between 0 and 1"));
        }
    }

    /// Five fields of what cron understands; what they mean is left to whoever schedules.
    fn schedule(&mut self, text: &str) {
        if crontab(text).is_err() {
            let problem = Problem::new(&self.at.key("schedule"), "this is no schedule");
            self.problems.push(problem.hint("minute, hour, day, month, day of the week, as in `0 2 * * *`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn read(json: &str) -> Result<Rule, Vec<String>> {
        let spec: RuleSpec = serde_json::from_str(json).unwrap();
        let lowered = lower(&QualifiedName::parse("s.t").unwrap(), &spec, &Source::file(FileId(0)));
        lowered.map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let rule = read(r#"{ "column": "at", "retain_for": "30 days" }"#).unwrap();
        assert_eq!((rule.batch.clone(), rule.vacuum, rule.action.clone()), (Batch::default(), true, Action::Delete));
        assert_eq!(rule.label(), "DELETE (>30 days)");
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
        // The registry's digests of rules that were applied before do not change.
        assert!(!json.contains("after_refresh"), "{json}");
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let problems = read(
            r#"{ "column": "", "retain_for": "soon", "action": "archive", "where": "a) OR (true",
                 "batch": { "rows": 0, "sleep": "20" }, "limits": { "max_fraction": 2 }, "schedule": "hourly",
                 "children": [{ "table": "s.t", "foreign_key": "id" }], "after_refresh": ["a.b", "a.b", ""] }"#,
        );
        assert_eq!(problems.unwrap_err().len(), 11);
    }
}
