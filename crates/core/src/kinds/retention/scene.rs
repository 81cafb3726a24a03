//! What a run finds of its tables before the first row goes: rows of `scene.sql`. What of it forbids the run is in
//! `refuse`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Clock, Rule, batch::Link};
use crate::{
    name::{Ident, QualifiedName},
    sql::Sql,
};

const SCENE_SQL: &str = include_str!("scene.sql");

/// A table, and what hangs below it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// Its object identifier.
    pub oid: u32,
    /// `pg_class.relkind`.
    pub kind: char,
    /// In order.
    pub columns: Vec<Column>,
    /// The table itself and its partitions, at all levels.
    pub parts: Vec<Part>,
    /// The foreign keys that point at it.
    pub references: Vec<Reference>,
}

/// `{schema, name}`, as the catalogs have it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Parts")]
pub struct Name(pub QualifiedName);

#[derive(Deserialize)]
struct Parts {
    schema: Ident,
    name: Ident,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, as the server writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The type below a domain, without its modifier.
    pub base: String,
    /// Whether it is computed from others.
    pub generated: bool,
}

/// The table or a partition, by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a privilege of its own")]
pub struct Part {
    /// Its name.
    pub name: Name,
    /// `pg_class.relkind`.
    pub kind: char,
    /// Policies hide rows of it from this role.
    pub row_security: bool,
    /// Whether this role may.
    pub may_select: bool,
    /// Whether this role may.
    pub may_insert: bool,
    /// Whether this role may, and so may lock rows.
    pub may_update: bool,
    /// Whether this role may.
    pub may_delete: bool,
    /// Whether this role may.
    pub may_vacuum: bool,
    /// Valid btree indexes, each with the column that leads it.
    pub indexes: BTreeMap<String, Ident>,
}

/// A foreign key that points at a table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// Its name.
    pub constraint: String,
    /// The table that it belongs to.
    pub table: Name,
    /// Its columns, each with the one that it points at.
    pub columns: Vec<(Ident, Ident)>,
    /// `pg_constraint.confdeltype`.
    pub on_delete: char,
}

/// Everything that a run of a rule touches.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The rule's table.
    pub table: Table,
    /// What its column tells.
    pub clock: Clock,
    /// The children, in the order of the rule, each with how it points at the table.
    pub children: Vec<(Table, Link)>,
    /// The archive, where it is a table.
    pub archive: Option<Table>,
}

/// The query for some tables.
#[must_use]
pub fn query(tables: &[&QualifiedName]) -> String {
    let asked = Sql::default().list(tables, ", ", |sql, table| sql.name_literals(table));
    let lines = SCENE_SQL.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").replace("@ASKED@", asked.as_str())
}

impl From<Parts> for Name {
    fn from(parts: Parts) -> Self {
        Self(QualifiedName { schema: parts.schema, name: parts.name })
    }
}

impl Table {
    /// A column by its name.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// What holds rows: the table or its partitions.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.kind != 'p')
    }
}

impl Reference {
    /// Whether the rule lets these rows go first.
    #[must_use]
    pub fn is_declared(&self, rule: &Rule) -> bool {
        rule.children.iter().any(|child| {
            child.table == self.table.0 && self.columns.iter().any(|(column, _)| *column == child.foreign_key)
        })
    }

    /// Whether deleting a row leaves those that point at it in place.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        matches!(self.on_delete, 'n' | 'd')
    }
}

impl Scene {
    /// The columns that move between the table and its archive: all of the one that they leave, but for those that the
    /// other computes by itself.
    #[must_use]
    pub fn moved(from: &Table, to: &Table) -> Vec<Ident> {
        let written = |column: &&Column| to.column(&column.name).is_some_and(|column| !column.generated);
        from.columns.iter().filter(written).map(|column| column.name.clone()).collect()
    }
}
