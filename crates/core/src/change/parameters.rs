//! Changes storage parameters in place, for any object that has them.

use super::{Step, TimeLimits};
use crate::{
    hazard::{Hazard, HazardSet},
    postgres::{lock::Lock, name::Ident, parameters::Parameters, sql::Sql},
};

/// The difference between the live and the declared parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterChange {
    /// Parameters that get a new value.
    pub set: Parameters,
    /// The parameters that go back to their default.
    pub reset: Vec<Ident>,
}

impl ParameterChange {
    /// Compares the parameters. `None`: nothing differs.
    #[must_use]
    pub fn between(live: Option<&Parameters>, declared: &Parameters) -> Option<Self> {
        let none = Parameters::new();
        let live = live.unwrap_or(&none);
        let set: Parameters = declared
            .iter()
            .filter(|(name, value)| live.get(*name).is_none_or(|present| one_spelling(present) != one_spelling(value)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let reset: Vec<_> = live.keys().filter(|name| !declared.contains_key(*name)).cloned().collect();
        if set.is_empty() && reset.is_empty() { None } else { Some(Self { set, reset }) }
    }

    /// The names of the parameters that change.
    pub fn names(&self) -> impl Iterator<Item = &Ident> {
        self.set.keys().chain(&self.reset)
    }

    /// The steps of the change. `alter` begins the statement, as in `ALTER INDEX i`.
    #[must_use]
    pub fn steps(&self, alter: &Sql, before: Option<&Parameters>, limits: TimeLimits) -> Vec<Step> {
        let before_of = |name: &Ident| Some((name.clone(), before?.get(name)?.clone()));
        let set = |values: &Parameters| alter.clone().raw(" SET ").parameters(values);
        let reset = |names: &[&Ident]| {
            alter.clone().raw(" RESET (").list(names, ", ", |sql, name| sql.parameter_name(name)).raw(")")
        };
        let mut steps = Vec::new();
        if !self.set.is_empty() {
            let known: Parameters = self.set.keys().filter_map(before_of).collect();
            let undo = if known.is_empty() { reset(&self.set.keys().collect::<Vec<_>>()) } else { set(&known) };
            steps.push(Step { undo: Some(undo), ..step(set(&self.set), self.set.keys(), limits) });
        }
        if !self.reset.is_empty() {
            let known: Parameters = self.reset.iter().filter_map(before_of).collect();
            let sql = reset(&self.reset.iter().collect::<Vec<_>>());
            steps.push(Step { undo: Some(set(&known)), ..step(sql, self.reset.iter(), limits) });
        }
        steps
    }
}

/// Only some parameters can change without blocking readers (PostgreSQL's `reloptions.c`).
fn step<'n>(sql: Sql, mut names: impl Iterator<Item = &'n Ident>, limits: TimeLimits) -> Step {
    let gentle = |name: &Ident| {
        let name = name.as_str();
        matches!(name, "fillfactor" | "deduplicate_items" | "toast_tuple_target" | "parallel_workers")
            || name.contains("autovacuum_")
    };
    if names.all(gentle) {
        return Step::brief(sql, Some(Lock::ShareUpdateExclusiveLock), limits);
    }
    let hazards = HazardSet::from([Hazard::AccessExclusiveLock]);
    Step { hazards, ..Step::brief(sql, Some(Lock::AccessExclusiveLock), limits) }
}

/// PostgreSQL stores booleans as they were written; this gives them one spelling.
fn one_spelling(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "on".to_owned(),
        "false" | "no" | "off" => "off".to_owned(),
        other => other.to_owned(),
    }
}
