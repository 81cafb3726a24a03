//! What is known of the tables that a rule touches: rows of `catalog.sql`, and the planner's word on how many rows go.

use serde::{Deserialize, Deserializer, Serialize};

use super::Clock;
use crate::{
    name::{Ident, QualifiedName},
    sql::Sql,
};

const CATALOG_SQL: &str = include_str!("catalog.sql");

/// A table, as far as a rule needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: i64,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `f` foreign table, `v` view, `m` materialized view.
    pub kind: char,
    /// With indexes, TOAST and partitions.
    pub bytes: i64,
    /// As of the last VACUUM or ANALYZE; `None`: never.
    pub rows: Option<i64>,
    /// In order.
    pub columns: Vec<Column>,
    /// The columns that lead a usable index over all rows.
    pub leading: Vec<Ident>,
    /// The foreign keys that point at it.
    pub references: Vec<Reference>,
    /// Policies hide rows of it from this role.
    pub row_security: bool,
    /// This role may read and delete its rows.
    pub may_delete: bool,
    /// The publications that carry its deletes to others.
    pub publications: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, as the server writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether it is computed from others.
    pub generated: bool,
}

/// A foreign key that points at a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its name.
    pub constraint: String,
    /// The table that it belongs to.
    #[serde(deserialize_with = "parts")]
    pub table: QualifiedName,
    /// The columns that point.
    pub columns: Vec<Ident>,
    /// What happens to that table's rows.
    pub on_delete: OnDelete,
    /// Whether an index finds those rows.
    pub indexed: bool,
}

/// `pg_constraint.confdeltype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDelete {
    /// The delete fails at the end.
    #[serde(rename = "a")]
    NoAction,
    /// The delete fails.
    #[serde(rename = "r")]
    Restrict,
    /// They go as well.
    #[serde(rename = "c")]
    Cascade,
    /// They stay, pointing nowhere.
    #[serde(rename = "n")]
    SetNull,
    /// They stay, pointing at the default.
    #[serde(rename = "d")]
    SetDefault,
}

/// How many rows are past their time, as the planner estimates it from its statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows that would go now.
    pub rows: u64,
    /// Bytes of them, by the average width of a row.
    pub bytes: u64,
    /// Rows that the rule in force would let go now; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Batches that it takes, at least.
    pub batches: u64,
    /// The oldest row, where an index tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

/// A name as `catalog.sql` gives it: both parts as they are.
fn parts<'de, D: Deserializer<'de>>(from: D) -> Result<QualifiedName, D::Error> {
    #[derive(Deserialize)]
    struct Parts {
        schema: String,
        name: String,
    }
    let Parts { schema, name } = Parts::deserialize(from)?;
    Ok(QualifiedName::new(Ident::from_server(&schema), Ident::from_server(&name)))
}

/// The query for the facts about some tables.
#[must_use]
pub fn query(tables: &[&QualifiedName]) -> String {
    let asked = Sql::default().list(tables, ", ", |sql, table| sql.name_literals(table));
    let lines = CATALOG_SQL.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").replace("@ASKED@", asked.as_str())
}

impl Table {
    /// A column by its name.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }
}

impl Column {
    /// What clock it tells, if it tells one.
    #[must_use]
    pub fn clock(&self) -> Option<Clock> {
        Clock::of_type(&self.type_name)
    }
}
