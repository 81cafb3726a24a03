//! Indexes that stay: those that reconcile does not manage in the end, and those that someone else built after a run left
//! an INVALID one.

use super::{Change, Decision, Decisions};
use crate::{
    change::Note,
    kind::{Context, Kind as _},
    kinds::index::{IndexState, Indexes, View, claims::Claims},
    registry::Registry,
};

/// Only removes indexes from the registry that would be dropped or adopted otherwise.
pub(in crate::kinds::index) fn release<'a>(decisions: &mut Decisions<'a>, context: Context<'_>, view: View<'a>) {
    let released = &context.scope.release;
    decisions.changes.retain(|change| match change.what {
        Decision::Drop(_) | Decision::Adopt(..) | Decision::Forget(_) => !released.contains_key(&change.address),
        Decision::Create(_)
        | Decision::Alter(..)
        | Decision::Replace(..)
        | Decision::Rename(..)
        | Decision::Exchange(..)
        | Decision::Rebuild(..)
        | Decision::Complete(..)
        | Decision::CleanUp(..) => true,
    });
    for (address, reason) in released {
        // Other kinds release their own objects.
        let Some(name) = address.part().filter(|_| *address.kind() == Indexes::NAME) else { continue };
        let decided = decisions.changes.iter().any(|change| change.address == *address);
        if !decided && context.registry.manages(address) {
            let relation = view.live.relations.get(address.relation());
            let standing = relation.and_then(|relation| relation.indexes.get(name));
            decisions.changes.push(Change {
                address: address.clone(),
                relation,
                reason: reason.clone(),
                what: Decision::Forget(standing),
                leftovers: Vec::new(),
            });
        }
    }
}

/// Keeps what becomes a part of a declared index: a managed one is only removed from the registry.
pub(in crate::kinds::index) fn keep_parts<'a>(
    changes: Vec<Change<'a>>,
    claims: &Claims,
    registry: &Registry,
    notes: &mut Vec<Note>,
) -> Vec<Change<'a>> {
    let keep = |change: Change<'a>| {
        let Decision::Drop(live) = change.what else { return Some(change) };
        let Some(whole) = claims.taken_by(live) else { return Some(change) };
        let reason = format!("it becomes a part of `{whole}`");
        if registry.manages(&change.address) {
            return Some(Change { reason, what: Decision::Forget(Some(live)), leftovers: Vec::new(), ..change });
        }
        notes.push(Note::new(change.address, format!("not dropped: {reason}")));
        None
    };
    changes.into_iter().filter_map(keep).collect()
}

/// Leaves an index alone if it is not the INVALID one that was expected.
pub(in crate::kinds::index) fn spare(decisions: &mut Decisions<'_>, context: Context<'_>) {
    let Decisions { changes, notes, .. } = decisions;
    changes.retain(|change| {
        let built_since = match change.what {
            Decision::Drop(found) => found.state != IndexState::Invalid,
            Decision::Create(_)
            | Decision::Alter(..)
            | Decision::Replace(..)
            | Decision::Rename(..)
            | Decision::Exchange(..)
            | Decision::Adopt(..)
            | Decision::Rebuild(..)
            | Decision::Complete(..)
            | Decision::CleanUp(..)
            | Decision::Forget(_) => false,
        };
        let address = &change.address;
        if !built_since || !context.scope.remnants.contains(address) || context.registry.manages(address) {
            return true;
        }
        notes.push(Note::new(address.clone(), "it was not built by the run: it stays".to_owned()));
        false
    });
}
