//! Triggers and rules of the user's that run when rows go from a table or come to it. A trigger may keep a row, or put it
//! back; a rule makes another statement of the DELETE. What a run does to be sure is in `proof`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{catalog::Table, preflight::Refused};
use crate::postgres::name::{Ident, QualifiedName};

/// A trigger or rule that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: Ident,
    /// When it runs.
    pub event: Event,
    /// What it can do to a row.
    pub effect: Effect,
}

/// What happens to rows when a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// They go.
    Delete,
    /// They come.
    Insert,
}

/// What a hook can do to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A trigger before each row: it may keep it from going or coming, or do something else instead.
    Before,
    /// A trigger after each row: it may put it back or take it away again.
    After,
    /// A trigger for a whole statement, which may do the same.
    Statement,
    /// A rule, which makes another statement of it, or adds one.
    Rule,
}

/// A hook, and the table that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// The table or partition.
    pub table: QualifiedName,
    /// The hook.
    pub hook: Hook,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "DELETE",
            Self::Insert => "INSERT",
        })
    }
}

/// As people find it in the database: ``trigger `keep` of `public.log` (BEFORE DELETE)``.
impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hook { name, event, effect } = &self.hook;
        let (what, when) = match effect {
            Effect::Before => ("trigger", "BEFORE"),
            Effect::After => ("trigger", "AFTER"),
            Effect::Statement => ("trigger", "FOR EACH STATEMENT,"),
            Effect::Rule => ("rule", "ON"),
        };
        write!(f, "{what} `{name}` of `{}` ({when} {event})", self.table)
    }
}

impl Table {
    /// The triggers that run for rows of the table and its partitions; one of a partitioned table is named there.
    pub(super) fn triggers(&self, event: Event) -> BTreeSet<Located> {
        let above: BTreeSet<_> =
            self.own().into_iter().flat_map(|own| &own.hooks).map(|hook| (&hook.name, hook.event)).collect();
        let located = |(table, hook): (&QualifiedName, &Hook)| {
            let table = if above.contains(&(&hook.name, hook.event)) { &self.name } else { table };
            Located { table: table.clone(), hook: hook.clone() }
        };
        // Rows go from the parts by name, and come by the name of the table.
        let runs = |kind: char, own: bool| kind != 'p' || own && event == Event::Insert;
        let parts = self.parts.iter().filter(|part| runs(part.kind, part.name == self.name));
        let hooks = parts.flat_map(|part| part.hooks.iter().map(|hook| (&part.name, hook)));
        hooks.filter(|(_, hook)| hook.event == event && hook.effect != Effect::Rule).map(located).collect()
    }

    /// The triggers of a partitioned table that do not run, since its rows go from the partitions by name.
    pub(super) fn passed_by(&self) -> impl Iterator<Item = Located> {
        let parts = self.parts.iter().filter(|part| part.kind == 'p');
        let hooks = parts.flat_map(|part| part.hooks.iter().map(|hook| (&part.name, hook)));
        let passed = hooks.filter(|(_, hook)| hook.event == Event::Delete && hook.effect == Effect::Statement);
        passed.map(|(table, hook)| Located { table: table.clone(), hook: hook.clone() })
    }

    /// A rule that makes something else of the statement by which rows go or come.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn without_rules(&self, event: Event) -> Result<(), Refused> {
        let found = self.parts.iter().find_map(|part| {
            let hook = part.hooks.iter().find(|hook| hook.event == event && hook.effect == Effect::Rule)?;
            Some(Located { table: part.name.clone(), hook: hook.clone() })
        });
        let Some(found) = found else { return Ok(()) };
        let disable = format!("ALTER TABLE {} DISABLE RULE {}", found.table.quoted(), found.hook.name.quoted());
        Err(Refused::precondition(
            format!("{found} makes something else of the statement, and rows would not go as the plan says"),
            format!("drop it, or {disable}"),
        ))
    }
}
