//! What is known of the tables that a rule touches: rows of `catalog.sql`, for plans and for runs alike, and the
//! planner's word on how many rows go.

use std::{collections::BTreeMap, ops::Deref};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use super::{Clock, Rule, hooks::Hook};
use crate::postgres::{
    name::{Ident, Named, QualifiedName},
    relation::{self, parts},
    sql::Sql,
};

const CATALOG_SQL: &str = include_str!("catalog.sql");

/// A table, and what hangs below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: u32,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `f` foreign table, `v` view, `m` materialized view.
    pub kind: char,
    /// With indexes, TOAST and partitions.
    pub bytes: i64,
    /// As of the last VACUUM or ANALYZE; `None`: never.
    pub rows: Option<i64>,
    /// In order.
    pub columns: Vec<Column>,
    /// The table itself and its partitions, at all levels.
    pub parts: Vec<Part>,
    /// The columns that lead a usable index over all rows.
    pub leading: Vec<Ident>,
    /// The columns of a usable BRIN index over all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summarised: Vec<Ident>,
    /// The foreign keys that point at it.
    pub references: Vec<Reference>,
    /// The publications that carry its deletes to others.
    pub publications: Vec<String>,
}

/// A column of a table whose rows go, or are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// What any column has.
    #[serde(flatten)]
    pub column: relation::Column,
    /// The type below a domain, without its modifier.
    pub base: String,
    /// Whether it is computed from others.
    pub generated: bool,
}

/// Saved plans hold a digest of columns with their fields in this order, and are stale where it is another.
impl Serialize for Column {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self {
            column: relation::Column { name, type_name, not_null, collation: _, generation: _ },
            base,
            generated,
        } = self;
        let mut fields = to.serialize_struct("Column", 5)?;
        fields.serialize_field("name", name)?;
        fields.serialize_field("type", type_name)?;
        fields.serialize_field("base", base)?;
        fields.serialize_field("not_null", not_null)?;
        fields.serialize_field("generated", generated)?;
        fields.end()
    }
}

impl Deref for Column {
    type Target = relation::Column;

    fn deref(&self) -> &relation::Column {
        &self.column
    }
}

/// The table or a partition, by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Part {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
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
    /// Whether it has columns that the table has not.
    pub has_more: bool,
    /// Valid btree indexes, each with the column that leads it.
    pub indexes: BTreeMap<String, Ident>,
    /// What runs when rows go from it or come to it.
    pub hooks: Vec<Hook>,
}

/// A foreign key that points at a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its name.
    pub constraint: String,
    /// The table that it belongs to.
    #[serde(deserialize_with = "parts")]
    pub table: QualifiedName,
    /// Its columns, each with the one that it points at.
    pub columns: Vec<(Ident, Ident)>,
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

/// The query for the facts about some tables: a row of one JSON text for each that there is.
#[must_use]
pub fn query(tables: &[&QualifiedName]) -> Sql {
    let asked = Sql::default().list(tables, ", ", |sql, table| sql.name_literals(table));
    Sql::query(CATALOG_SQL, &[("ASKED", asked)])
}

impl Named for Table {
    fn name(&self) -> &QualifiedName {
        &self.name
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

    /// Whether another table is a partition of it, or inherits from it.
    #[must_use]
    pub fn is_above(&self, other: &QualifiedName) -> bool {
        self.name != *other && self.parts.iter().any(|part| part.name == *other)
    }

    /// The table as a part of itself.
    #[must_use]
    pub fn own(&self) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == self.name)
    }
}

impl Column {
    /// What clock it tells, if it tells one.
    #[must_use]
    pub fn clock(&self) -> Option<Clock> {
        Clock::of_type(&self.base)
    }
}

impl Reference {
    /// Whether the rule lets these rows go first.
    #[must_use]
    pub fn is_declared(&self, rule: &Rule) -> bool {
        rule.children.iter().any(|child| self.is_by(&child.table, &child.foreign_key))
    }

    /// Whether it leads from this column of this table.
    #[must_use]
    pub fn is_by(&self, table: &QualifiedName, column: &Ident) -> bool {
        self.table == *table && self.columns.iter().any(|(own, _)| own == column)
    }

    /// Whether deleting a row leaves those that point at it in place.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        match self.on_delete {
            OnDelete::SetNull | OnDelete::SetDefault => true,
            OnDelete::NoAction | OnDelete::Restrict | OnDelete::Cascade => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_written_as_the_digests_of_saved_plans_have_it() {
        let written = r#"{"name":"at","type":"timestamp with time zone","base":"timestamp with time zone","not_null":true,"generated":false}"#;
        let column: Column = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&column).unwrap(), written);
    }
}
