//! The relations as they will be after the changes of the kinds that are planned earlier.

use std::collections::BTreeMap;

use crate::postgres::{name::QualifiedName, relation::Column};

/// What will differ from the live side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    relations: BTreeMap<QualifiedName, Projected>,
    /// The lane of changes that must not run side by side with those of views; `None` if no view changes.
    pub lane: Option<QualifiedName>,
}

/// A relation as it will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projected {
    /// Its columns; `None` if they do not change.
    pub columns: Option<Vec<Column>>,
    /// A change of the relation drops and creates its indexes, or the relation does not exist and cannot have any.
    pub with_indexes: bool,
}

impl Projection {
    /// A relation that will differ from the live side.
    #[must_use]
    pub fn relation(&self, name: &QualifiedName) -> Option<&Projected> {
        self.relations.get(name)
    }

    /// The new columns of the relations whose columns change.
    pub fn columns(&self) -> impl Iterator<Item = (&QualifiedName, &[Column])> {
        self.relations.iter().filter_map(|(name, projected)| Some((name, projected.columns.as_deref()?)))
    }

    /// Whether a change of the relation also drops and creates its indexes.
    #[must_use]
    pub fn takes_indexes_along(&self, name: &QualifiedName) -> bool {
        self.relation(name).is_some_and(|projected| projected.with_indexes)
    }

    /// Notes the columns that a relation will have.
    pub fn has_columns(&mut self, name: &QualifiedName, columns: Vec<Column>) {
        self.relations.entry(name.clone()).or_default().columns = Some(columns);
    }

    /// Notes that a change of the relation drops and creates its indexes.
    pub fn take_indexes_along(&mut self, name: &QualifiedName) {
        self.relations.entry(name.clone()).or_default().with_indexes = true;
    }

    /// Adds the results of another kind.
    pub fn extend(&mut self, later: Self) {
        for (name, projected) in later.relations {
            let known = self.relations.entry(name).or_default();
            known.columns = projected.columns.or(known.columns.take());
            known.with_indexes |= projected.with_indexes;
        }
        self.lane = later.lane.or(self.lane.take());
    }
}
