//! Indexes as they were before a run.

use std::collections::{BTreeMap, BTreeSet};

use super::{DesiredRelation, Index};
use crate::{
    address::Address, change::Change, declared::Declared, kind::Undoing, postgres::name::QualifiedName, source::Source,
};

/// The declarations that bring indexes back.
#[derive(Debug, Default)]
pub struct Former {
    /// Relations whose indexes a run touched. Indexes that it left there are not managed, so only `prune` drops them.
    pub tables: BTreeSet<QualifiedName>,
    /// The indexes that existed before.
    pub indexes: BTreeMap<Address, Index>,
}

impl Former {
    /// Adds an index that must exist again.
    pub fn add(&mut self, index: &Index) {
        self.tables.insert(index.table.clone());
        self.indexes.insert(index.address(), complete(index));
    }

    /// The declarations.
    #[must_use]
    pub fn desired(self) -> Vec<DesiredRelation> {
        let Self { tables, indexes } = self;
        let relation = |name: QualifiedName| {
            let own = indexes.values().filter(|index| index.table == name);
            DesiredRelation {
                indexes: own.map(|index| Declared::nowhere(index.clone())).collect(),
                name,
                at: Source::nowhere(),
                prune: true,
            }
        };
        tables.into_iter().map(relation).collect()
    }
}

pub(super) fn restore<O>(
    change: &Change<O>,
    before: &Index,
    after: Option<&Index>,
    undoing: &mut Undoing,
    former: &mut Former,
) {
    let address = before.address();
    if !change.prior.managed {
        undoing.release(address.clone());
    }
    undoing.lose(change);
    if before.tablespace.is_none() && after.is_some_and(|after| after.tablespace.is_some()) {
        undoing.note(change, "it is not moved back to the default tablespace");
    }
    undoing.touched.insert(address);
    former.add(before);
}

/// The index with everything declared: what was not set before will not be set afterwards.
fn complete(before: &Index) -> Index {
    Index {
        with: Some(before.with.clone().unwrap_or_default()),
        comment: Some(before.comment.clone().unwrap_or_default()),
        ..before.clone()
    }
}
