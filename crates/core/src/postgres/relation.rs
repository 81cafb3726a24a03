//! Relations and their columns, as far as all kinds need them: tables, partitioned tables, partitions and materialized
//! views.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::name::{Ident, QualifiedName};
use crate::problem::{Problem, closest};

/// A relation that can have indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its name.
    pub name: QualifiedName,
    /// Its OID.
    pub oid: u32,
    /// What it is.
    pub kind: RelationKind,
    /// The partitioned table that this is a partition of.
    pub parent: Option<QualifiedName>,
    /// Its direct partitions.
    pub partitions: Vec<QualifiedName>,
    /// Partitions whose DETACH CONCURRENTLY has not come to its end. They are not among the partitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detaching: Vec<QualifiedName>,
    /// Its partition key, with `None` for an expression; empty for a relation that is not partitioned.
    pub partition_key: Vec<Option<Ident>>,
    /// How it is partitioned, such as `RANGE (a)`, as the server prints it with nothing on the search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioned_by: Option<String>,
    /// Its columns, in order. They are read only if a declaration has to be checked against them.
    pub columns: Vec<Column>,
    /// The size of its main fork in bytes, including its partitions. It is measured if something about the relation may
    /// change; otherwise it is the estimate of the last VACUUM or ANALYZE.
    pub bytes: u64,
    /// The number of rows, including its partitions; an estimate of the last VACUUM or ANALYZE. `None`: never analysed.
    pub rows: Option<u64>,
}

/// The type of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table or a partition with rows of its own.
    Table,
    /// A partitioned table, which has no rows of its own.
    Partitioned,
    /// A materialized view.
    MaterializedView,
    /// A foreign table, which cannot have indexes.
    Foreign,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, as the server prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its collation; `None`: it is that of its type, or it was not read.
    #[serde(default, deserialize_with = "maybe_parts", skip_serializing_if = "Option::is_none")]
    pub collation: Option<QualifiedName>,
    /// Whether it is declared NOT NULL.
    #[serde(default)]
    pub not_null: bool,
    /// How its values are computed; `None`: they are written, or it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
}

/// How a generated column is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The expression, as the server prints it.
    pub expression: String,
    /// It is computed when it is read, and not stored (PostgreSQL 18 on).
    #[serde(rename = "virtual", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_virtual: bool,
}

/// The names of columns.
#[must_use]
pub fn names(columns: &[Column]) -> Vec<Ident> {
    columns.iter().map(|column| column.name.clone()).collect()
}

impl Relation {
    /// Whether it is a catalog of the server, which nobody may change.
    #[must_use]
    pub fn is_system_catalog(&self) -> bool {
        self.name.schema.as_str() == "pg_catalog"
    }

    /// Whether it is partitioned.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.kind == RelationKind::Partitioned
    }
}

/// A name by its parts, as the catalog queries return it: `{"schema": …, "name": …}`. Parts need no quotes, whatever
/// they contain.
#[derive(Deserialize)]
struct Parts {
    schema: Ident,
    name: Ident,
}

impl From<Parts> for QualifiedName {
    fn from(parts: Parts) -> Self {
        Self::new(parts.schema, parts.name)
    }
}

/// A name as text, or by its parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Written(QualifiedName),
    Parts(Parts),
}

impl From<Name> for QualifiedName {
    fn from(name: Name) -> Self {
        match name {
            Name::Written(name) => name,
            Name::Parts(parts) => parts.into(),
        }
    }
}

/// Reads a name by its parts, or as text.
///
/// # Errors
/// The value is neither.
pub fn parts<'de, D: Deserializer<'de>>(from: D) -> Result<QualifiedName, D::Error> {
    Ok(Name::deserialize(from)?.into())
}

/// Reads a list of names, each like [`parts`].
///
/// # Errors
/// One of the values is neither.
pub fn many_parts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<QualifiedName>, D::Error> {
    Ok(Vec::<Name>::deserialize(from)?.into_iter().map(QualifiedName::from).collect())
}

/// Reads a name like [`parts`], or null.
///
/// # Errors
/// The value is none of these.
pub fn maybe_parts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<QualifiedName>, D::Error> {
    Ok(Option::<Name>::deserialize(from)?.map(QualifiedName::from))
}

/// Something that belongs to a relation, to follow partition trees.
pub trait OfRelation {
    /// The relation.
    fn relation(&self) -> &Relation;
}

/// The root of the partition tree that a relation belongs to, as far as the tree was read.
#[must_use]
pub fn top<'a, T: OfRelation>(relation: &'a Relation, all: &'a BTreeMap<QualifiedName, T>) -> &'a QualifiedName {
    match &relation.parent {
        Some(parent) => all.get(parent).map_or(parent, |parent| top(parent.relation(), all)),
        None => &relation.name,
    }
}

/// Every partition below a relation, at all levels, each one before its own partitions.
#[must_use]
pub fn below<'a, T: OfRelation>(relation: &'a Relation, all: &'a BTreeMap<QualifiedName, T>) -> Vec<&'a T> {
    let direct = relation.partitions.iter().filter_map(|name| all.get(name));
    direct.flat_map(|part| std::iter::once(part).chain(below(part.relation(), all))).collect()
}

/// Adds the hint `did you mean` to a problem if one of the known relations is likely to be meant.
pub(crate) fn suggest(problem: Problem, written: &QualifiedName, known: &[String]) -> Problem {
    match closest_relation(written, known) {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem,
    }
}

/// The known relation that is likely to be meant: one of the same name in another schema, or else the closest one.
#[must_use]
pub fn closest_relation<'a>(written: &QualifiedName, known: &'a [String]) -> Option<&'a str> {
    in_another_schema(written, known).or_else(|| closest(&written.to_string(), known.iter().map(String::as_str)))
}

/// The known relation that has the same name in another schema; of several, the closest one or the first.
pub(crate) fn in_another_schema<'a>(written: &QualifiedName, known: &'a [String]) -> Option<&'a str> {
    let alike = |name: &&str| {
        QualifiedName::parse(name).is_ok_and(|name| name.name == written.name && name.schema != written.schema)
    };
    let alike: Vec<_> = known.iter().map(String::as_str).filter(alike).collect();
    closest(&written.to_string(), alike.iter().copied()).or_else(|| alike.first().copied())
}
