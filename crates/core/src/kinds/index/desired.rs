//! The declared side: the relations under `tables:` and the materialized views, each with its indexes.

use super::Index;
use crate::{
    declared::{Body, Declared},
    postgres::name::QualifiedName,
    source::Source,
};

/// What is declared about one relation.
#[derive(Clone, Debug)]
pub struct DesiredRelation {
    /// The relation.
    pub name: QualifiedName,
    /// Its place under `tables:`. If several files have it, the first one.
    pub at: Source,
    /// Whether its undeclared indexes are dropped.
    pub prune: bool,
    /// Its indexes, in the order of names.
    pub indexes: Vec<Declared<Index>>,
}

impl Declared<Index> {
    /// The place of a key column, by its position from 0.
    #[must_use]
    pub fn column_at(&self, position: usize) -> Source {
        self.body_at().item(position)
    }

    /// A declaration whose value is a map with its columns under `columns`.
    #[must_use]
    pub fn index(index: Index, at: Source) -> Self {
        Self::new(index, at, Body::Key("columns"))
    }
}

/// The declaration of a relation. `all` is sorted by name.
#[must_use]
pub fn relation<'a>(all: &'a [DesiredRelation], name: &QualifiedName) -> Option<&'a DesiredRelation> {
    let position = all.binary_search_by(|relation| relation.name.cmp(name)).ok()?;
    all.get(position)
}
