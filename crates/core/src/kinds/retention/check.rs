//! Whether a rule can do what it says on the live tables, and what a reader of the plan should know of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Child, Clock, Rule, View,
    catalog::{OnDelete, Reference, Table},
    hooks::{Effect, Event},
};
use crate::{
    change::Note,
    declared::Declared,
    kind::Context,
    kinds::matview::{self, order},
    postgres::{
        name::{Ident, QualifiedName},
        relation::suggest,
    },
    problem::Problem,
    source::Source,
};

/// What is wrong with a declared rule, and what is worth knowing.
#[derive(Debug, Default)]
pub struct Findings {
    /// Mistakes, each at its place.
    pub problems: Vec<Problem>,
    /// For the plan.
    pub notes: Vec<Note>,
}

/// Holds a rule against the live tables and the other rules.
#[must_use]
pub fn rule(declared: &Declared<Rule>, context: Context<'_>, view: View<'_>) -> Findings {
    let (tables, known) = (&view.live.tables, context.vocabulary.relations.as_slice());
    let mut checker = Checker { declared, rule: &declared.object, tables, known, found: Findings::default() };
    let Some(table) = checker.table(&declared.object.table, &declared.at) else { return checker.found };
    checker.column(table);
    checker.partitions(table, view);
    for (position, child) in declared.object.children.iter().enumerate() {
        checker.child(table, child, &declared.at.key("children").item(position));
    }
    checker.references(table, &declared.at);
    checker.archive(table);
    checker.hooks(table);
    checker.role(table);
    checker.views(context, view);
    checker.found
}

struct Checker<'a> {
    declared: &'a Declared<Rule>,
    rule: &'a Rule,
    tables: &'a BTreeMap<QualifiedName, Table>,
    /// Names to suggest from.
    known: &'a [String],
    found: Findings,
}

impl<'a> Checker<'a> {
    fn problem(&mut self, problem: Problem) {
        self.found.problems.push(problem);
    }

    fn note(&mut self, text: String) {
        self.found.notes.push(Note::new(self.rule.address(), text));
    }

    fn table(&mut self, name: &QualifiedName, at: &Source) -> Option<&'a Table> {
        let on_key = |problem: Problem| if *name == self.rule.table { problem.on_key() } else { problem };
        match self.tables.get(name) {
            None => {
                let problem = Problem::new(at, format!("there is no table `{name}`"));
                self.problem(on_key(suggest(problem, name, self.known)));
                None
            }
            Some(table) if matches!(table.kind, 'r' | 'p') => Some(table),
            Some(_) => {
                self.problem(on_key(Problem::new(at, format!("`{name}` is no table: it has no rows of its own"))));
                None
            }
        }
    }

    fn column(&mut self, table: &Table) {
        let at = self.declared.at.key("column");
        let Some(column) = table.column(&self.rule.column) else {
            return self.missing_column(&at, table, &self.rule.column);
        };
        match column.clock() {
            None => {
                let message = format!("`{}` is of type {}, no date or timestamp", column.name, column.type_name);
                return self.problem(Problem::new(&at, message));
            }
            Some(Clock::Local) if self.rule.timezone.is_none() => {
                let message = format!("`{}` is a timestamp without time zone: when it is, nobody knows", column.name);
                self.problem(Problem::new(&at, message).hint("add `timezone:`, such as `timezone: UTC`"));
            }
            Some(Clock::Date) if self.rule.retain_for.has_hours() => {
                let message = format!("`{}` is a date, which knows no hours", column.name);
                self.problem(Problem::new(&self.declared.at.key("retain_for"), message));
            }
            Some(Clock::Instant | Clock::Local | Clock::Date) => {}
        }
        if !table.leading.contains(&column.name) && !table.summarised.contains(&column.name) {
            let proposal = proposal(&table.name, &column.name);
            self.note(format!("no index leads with `{}`: each run reads the whole table; {proposal}", column.name));
        }
    }

    /// Rows of a partition are those of the whole table, and two rules would not agree on them.
    fn partitions(&mut self, table: &Table, view: View<'_>) {
        let below = table.parts.iter().filter(|part| part.name != table.name);
        for other in below.filter_map(|part| view.declared(&part.name)) {
            let message =
                format!("`{}` is a part of `{}`, which has a rule of its own", other.object.table, table.name);
            let problem =
                Problem::new(&other.at, message).on_key().related(&self.declared.at, "this one is about its rows too");
            self.problem(problem.hint("keep the one of the whole table, or one for each of its partitions"));
        }
        let Some(archive) = self.rule.archive() else { return };
        let around = self.tables.get(archive).is_some_and(|archive| archive.is_above(&table.name));
        if table.is_above(archive) || around {
            let message = format!("`{archive}` and `{}` hold the same rows: one is a part of the other", table.name);
            let problem = Problem::new(&self.declared.at.key("archive_to"), message);
            self.problem(problem.hint("archive to a table of its own"));
        }
    }

    fn missing_column(&mut self, at: &Source, table: &Table, name: &Ident) {
        let known = table.columns.iter().map(|column| column.name.as_str());
        let problem = Problem::new(at, format!("column `{name}` is not in `{}`", table.name));
        self.problem(problem.did_you_mean(name.as_str(), known));
    }

    fn child(&mut self, parent: &Table, child: &Child, at: &Source) {
        let Some(table) = self.table(&child.table, &at.key("table")) else { return };
        if table.column(&child.foreign_key).is_none() {
            return self.missing_column(&at.key("foreign_key"), table, &child.foreign_key);
        }
        match parent.references.iter().find(|key| key.is_by(&child.table, &child.foreign_key)) {
            None => {
                let message = format!(
                    "no foreign key of `{}` by `{}` points at `{}`",
                    child.table, child.foreign_key, parent.name
                );
                self.problem(Problem::new(&at.key("foreign_key"), message));
            }
            Some(key) if !key.indexed => {
                let proposal = proposal(&child.table, &child.foreign_key);
                let text = format!(
                    "no index finds the rows of `{}` by `{}`: each batch reads all of it; {proposal}",
                    child.table, child.foreign_key
                );
                self.note(text);
            }
            Some(_) => {}
        }
        self.references(table, at);
    }

    /// Foreign keys that point at a table whose rows go, other than those of declared children.
    fn references(&mut self, table: &Table, at: &Source) {
        for key in &table.references {
            if table.name == self.rule.table && key.is_declared(self.rule) {
                continue;
            }
            let what = format!("the foreign key `{}` of `{}`", key.constraint, key.table);
            let refuses = match key.on_delete {
                OnDelete::NoAction | OnDelete::Restrict => Some("keeps rows from being deleted"),
                OnDelete::Cascade => Some("would delete its rows as well, unseen"),
                OnDelete::SetNull | OnDelete::SetDefault => None,
            };
            if let Some(effect) = refuses {
                let problem = Problem::new(at, format!("{what} {effect}")).on_key();
                self.problem(problem.hint(self.way_out(table, key)));
            } else {
                self.note(format!("{what} lets its rows stay, pointing at nothing"));
            }
            if !key.indexed {
                let column = key.columns.first().map_or(&self.rule.column, |(own, _)| own);
                self.note(format!(
                    "no index supports {what}: each row that goes reads all of it; {}",
                    proposal(&key.table, column)
                ));
            }
        }
    }

    /// What to do about a foreign key that points at `table` and is in the way.
    fn way_out(&self, table: &Table, key: &Reference) -> String {
        let obstacle = match key.columns.as_slice() {
            _ if key.table == table.name => "a table cannot be its own child",
            [_] if table.name != self.rule.table => "children cannot have children",
            [(own, _)] => {
                return format!(
                    "add `children: [{{ table: {}, foreign_key: {own} }}]`, or change the foreign key",
                    key.table
                );
            }
            _ => "the foreign key of a child has one column",
        };
        format!(
            "no rule can delete the rows of `{}` along, because {obstacle}: change the foreign key to ON DELETE SET NULL \
             in a migration",
            key.table
        )
    }

    fn archive(&mut self, table: &Table) {
        let at = self.declared.at.key("archive_to");
        if self.rule.action != Action::Delete && !self.rule.children.is_empty() {
            let problem =
                Problem::new(&self.declared.at.key("children"), "rows of children would not be archived, but lost");
            self.problem(problem.on_key().hint("archive the children by rules of their own"));
        }
        let to = match &self.rule.action {
            Action::Archive(to) => to,
            Action::Delete => return,
            Action::ArchiveFiles(folder) => {
                let whose = if folder.starts_with('/') { "" } else { " of the project" };
                return self.note(format!(
                    "whoever runs `retain` writes the rows to files in the folder {folder}{whose}, on that machine"
                ));
            }
        };
        if *to == self.rule.table {
            return self.problem(Problem::new(&at, "this is the table itself"));
        }
        if !self.tables.contains_key(to) {
            return;
        }
        let Some(archive) = self.table(to, &at) else { return };
        for column in &table.columns {
            let Some(kept) = archive.column(&column.name) else { continue };
            if kept.type_name != column.type_name {
                let message = format!(
                    "`{}` of `{to}` is of type {}, and of type {} in `{}`",
                    column.name, kept.type_name, column.type_name, table.name
                );
                self.problem(
                    Problem::new(&at, message).hint("change its type in a migration, or archive to another table"),
                );
            }
        }
    }

    /// Views that are refreshed before rows go. What another one that they read holds is as old as it is.
    fn views(&mut self, context: Context<'_>, view: View<'_>) {
        if self.rule.after_refresh.is_empty() {
            return;
        }
        let (views, live) = (view.views.desired, view.views.live);
        let declared = views.iter().map(|declared| &declared.object.name);
        let staying = live.applied.keys().filter(|name| !context.scope.admits(&matview::address(name)));
        let known: Vec<_> = declared.chain(staying).collect();
        let reads = order::reads(views, live, &context.session.search_path);
        for (position, view) in self.rule.after_refresh.iter().enumerate() {
            if !known.contains(&view) {
                let at = self.declared.at.key("after_refresh").item(position);
                let names: Vec<_> = known.iter().map(ToString::to_string).collect();
                let problem = Problem::new(&at, format!("no materialized view `{view}` is declared"));
                self.problem(suggest(problem, view, &names));
                continue;
            }
            let by_words = reads.iter().filter(|(name, _)| name == view).flat_map(|(_, reads)| reads);
            let found = live.found.get(view).into_iter().flat_map(|found| &found.reads);
            let read: BTreeSet<_> = by_words.chain(found).filter(|read| known.contains(read)).collect();
            for other in read.into_iter().filter(|read| !self.rule.after_refresh.contains(read)) {
                self.note(format!(
                    "`{view}` reads `{other}`, which is not refreshed before rows go: `after_refresh` does not name it"
                ));
            }
        }
    }

    /// What of the user's runs when rows go, or come to the archive.
    fn hooks(&mut self, table: &Table) {
        let children = self.rule.children.iter().filter_map(|child| self.tables.get(&child.table));
        let leaving: Vec<_> = std::iter::once(table).chain(children).collect();
        let archive = self.rule.archive().and_then(|archive| self.tables.get(archive));
        let rules = leaving.iter().map(|table| table.without_rules(Event::Delete));
        let rules = rules.chain(archive.map(|archive| archive.without_rules(Event::Insert)));
        let problems = rules.filter_map(Result::err);
        let at = &self.declared.at;
        self.found.problems.extend(problems.map(|found| Problem::new(at, found.message).on_key().hint(found.hint)));
        let triggers = leaving.iter().flat_map(|table| table.triggers(Event::Delete));
        let triggers = triggers.chain(archive.into_iter().flat_map(|archive| archive.triggers(Event::Insert)));
        let running = triggers.map(|trigger| {
            format!(
                "{trigger} {}: a run that finds such a row takes the batch back and fails",
                match (trigger.hook.event, trigger.hook.effect) {
                    (Event::Delete, Effect::Before) => "may keep rows from going",
                    (Event::Delete, Effect::After | Effect::Statement | Effect::Rule) => "may put rows back",
                    (Event::Insert, Effect::Before) => "may change rows, or keep them from being archived",
                    (Event::Insert, Effect::After | Effect::Statement | Effect::Rule) =>
                        "may take archived rows away, or double them",
                }
            )
        });
        let passed = leaving.iter().flat_map(|table| table.passed_by());
        let passed = passed.map(|trigger| format!("{trigger} does not run: rows go from the partitions by name"));
        running.chain(passed).collect::<Vec<_>>().into_iter().for_each(|text| self.note(text));
    }

    /// Another role may run the rule than the one that plans.
    fn role(&mut self, table: &Table) {
        let of_role = |text: String| Note { of_role: true, ..Note::new(self.rule.address(), text) };
        let children = self.rule.children.iter().filter_map(|child| self.tables.get(&child.table));
        let hidden =
            std::iter::once(table).chain(children).filter(|table| table.parts.iter().any(|part| part.row_security));
        let mut notes: Vec<_> = hidden
            .map(|table| {
                let name = &table.name;
                of_role(format!("row-level security hides rows of `{name}` from this role, and would from a run of it"))
            })
            .collect();
        if !table.leaves().all(|part| part.may_select && part.may_delete) {
            let text = format!("this role may not delete from `{}`; the one that runs `retain` has to", table.name);
            notes.push(of_role(text));
        }
        self.found.notes.extend(notes);
        for publication in &table.publications {
            self.note(format!("publication `{publication}` carries the deletes to its subscribers"));
        }
    }
}

/// The index that is missing, as YAML.
fn proposal(table: &QualifiedName, column: &Ident) -> String {
    let name = Ident::generated(&format!("idx_{}_{column}", table.name), &(table, column));
    format!("`{table}: {{ indexes: {{ {name}: [{column}] }} }}` would help")
}
