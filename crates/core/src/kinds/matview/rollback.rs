//! Restores materialized views as they were before a run.

use super::Matview;
use crate::{change::Change, kind::Undoing, kinds::index};

/// The declarations that restore views.
#[derive(Debug, Default)]
pub struct Former {
    /// The views, without their indexes.
    pub views: Vec<Matview>,
    /// The indexes on them.
    pub indexes: index::Former,
}

pub(super) fn restore<O>(change: &Change<O>, before: &Matview, undoing: &mut Undoing, former: &mut Former) {
    if !change.prior.managed {
        undoing.release(before.address());
    }
    undoing.lose(change);
    former.indexes.tables.insert(before.name.clone());
    for index in &before.indexes {
        former.indexes.add(index);
    }
    former.views.push(Matview {
        with: Some(before.with.clone().unwrap_or_default()),
        comment: Some(before.comment.clone().unwrap_or_default()),
        indexes: Vec::new(),
        ..before.clone()
    });
}
