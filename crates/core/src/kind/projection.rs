//! The relations as the kinds that were planned before will leave them.

use std::collections::BTreeMap;

use crate::postgres::{name::QualifiedName, relation::Column};

/// What will be otherwise than it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    relations: BTreeMap<QualifiedName, Projected>,
    /// The lane of changes that take turns with those of views; `None`: no view changes.
    pub lane: Option<QualifiedName>,
}

/// A relation as it will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projected {
    /// Its columns; `None`: those that it has.
    pub columns: Option<Vec<Column>>,
    /// Its indexes come and go with a change of it, or it is not there to carry any.
    pub with_indexes: bool,
}

impl Projection {
    /// A relation that will be otherwise than it is.
    #[must_use]
    pub fn relation(&self, name: &QualifiedName) -> Option<&Projected> {
        self.relations.get(name)
    }

    /// The columns that relations will have, where these are others than now.
    pub fn columns(&self) -> impl Iterator<Item = (&QualifiedName, &[Column])> {
        self.relations.iter().filter_map(|(name, projected)| Some((name, projected.columns.as_deref()?)))
    }

    /// Whether somebody else decides about the indexes of a relation.
    #[must_use]
    pub fn takes_indexes_along(&self, name: &QualifiedName) -> bool {
        self.relation(name).is_some_and(|projected| projected.with_indexes)
    }

    /// A relation will have these columns.
    pub fn has_columns(&mut self, name: &QualifiedName, columns: Vec<Column>) {
        self.relations.entry(name.clone()).or_default().columns = Some(columns);
    }

    /// The indexes of a relation come and go with a change of it.
    pub fn take_indexes_along(&mut self, name: &QualifiedName) {
        self.relations.entry(name.clone()).or_default().with_indexes = true;
    }

    /// Adds what another kind will do.
    pub fn extend(&mut self, later: Self) {
        for (name, projected) in later.relations {
            let known = self.relations.entry(name).or_default();
            known.columns = projected.columns.or(known.columns.take());
            known.with_indexes |= projected.with_indexes;
        }
        self.lane = later.lane.or(self.lane.take());
    }
}
