//! Relations and their columns, as far as they matter to whatever kind: tables, partitioned tables, partitions and
//! materialized views.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::name::{Ident, QualifiedName};

/// A relation that can carry indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its name.
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: u32,
    /// What it is.
    pub kind: RelationKind,
    /// The partitioned table that this is a partition of.
    pub parent: Option<QualifiedName>,
    /// Its direct partitions.
    pub partitions: Vec<QualifiedName>,
    /// Its partition key, `None` for an expression; empty where it is not partitioned.
    pub partition_key: Vec<Option<Ident>>,
    /// Its columns, in order; read only where a declaration has to be checked against them.
    pub columns: Vec<Column>,
    /// Bytes of its main fork, with its partitions. Measured where something is not settled, elsewhere the planner's
    /// figure as of the last VACUUM or ANALYZE.
    pub bytes: u64,
    /// Rows, with its partitions; an estimate of the same age. `None`: never analysed.
    pub rows: Option<u64>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table or a partition with rows of its own.
    Table,
    /// A partitioned table, which has none.
    Partitioned,
    /// A materialized view.
    MaterializedView,
    /// A foreign table: it takes no index.
    Foreign,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, as the server writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its collation; `None`: its type has none, or nobody asked.
    #[serde(default, deserialize_with = "maybe_parts", skip_serializing_if = "Option::is_none")]
    pub collation: Option<QualifiedName>,
    /// Whether it refuses NULL.
    #[serde(default)]
    pub not_null: bool,
}

/// The names of columns.
#[must_use]
pub fn names(columns: &[Column]) -> Vec<Ident> {
    columns.iter().map(|column| column.name.clone()).collect()
}

impl Relation {
    /// Whether its rows are in partitions.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.kind == RelationKind::Partitioned
    }
}

/// Names by their parts, which are exact whatever they hold: `{"schema": …, "name": …}`, as the catalogs' queries give them.
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

/// A name as it is written, or by its parts.
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

/// Reads a name by its parts, or as it is written.
///
/// # Errors
/// It is neither.
pub fn parts<'de, D: Deserializer<'de>>(from: D) -> Result<QualifiedName, D::Error> {
    Ok(Name::deserialize(from)?.into())
}

/// Reads names like [`parts`].
///
/// # Errors
/// One of them is neither.
pub fn many_parts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<QualifiedName>, D::Error> {
    Ok(Vec::<Name>::deserialize(from)?.into_iter().map(QualifiedName::from).collect())
}

/// Reads a name like [`parts`], if there is one.
///
/// # Errors
/// There is something that is neither.
pub fn maybe_parts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<QualifiedName>, D::Error> {
    Ok(Option::<Name>::deserialize(from)?.map(QualifiedName::from))
}

/// Something that is known by its relation, to follow partition trees.
pub trait OfRelation {
    /// The relation.
    fn relation(&self) -> &Relation;
}

/// The top of the partition tree that a relation is part of, as far as it is known.
#[must_use]
pub fn top<'a, T: OfRelation>(relation: &'a Relation, all: &'a BTreeMap<QualifiedName, T>) -> &'a QualifiedName {
    match &relation.parent {
        Some(parent) => all.get(parent).map_or(parent, |parent| top(parent.relation(), all)),
        None => &relation.name,
    }
}

/// Every partition below a relation, at all levels, each before those below it.
#[must_use]
pub fn below<'a, T: OfRelation>(relation: &'a Relation, all: &'a BTreeMap<QualifiedName, T>) -> Vec<&'a T> {
    let direct = relation.partitions.iter().filter_map(|name| all.get(name));
    direct.flat_map(|part| std::iter::once(part).chain(below(part.relation(), all))).collect()
}
