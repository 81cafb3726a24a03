//! Asks the server about declared materialized views, in the order of dependencies, and projects their columns.

use std::collections::BTreeMap;

use super::{Live, Matview, View, group, print::print, rehearsal, waiting::Rejected};
use crate::{
    declared::Declared,
    kind::{Asking, Projection},
    kinds::index,
    postgres::batch::Ask,
};

/// Asks the server about the declared views that are not settled, and completes the live side with the answers; also
/// about indexes on views that have to be rebuilt. Returns what the server rejects. May be called again, with a scope
/// that leaves out some of that.
///
/// # Errors
/// The connection fails, or the server refuses a catalog query.
pub async fn resolve<S: Ask>(
    server: &mut S,
    desired: (&[Declared<Matview>], &[index::DesiredRelation]),
    live: &mut Live,
    indexes: &mut index::Live,
    names: &index::catalog::Names,
    asking: Asking<'_>,
) -> Result<Rejected, S::Error> {
    live.postponed.clear();
    let prints = print(server, View::of(desired, live, indexes), asking).await?;
    let mut rejected = prints.rejected;
    (live.dependents, live.rehearsed) = (Vec::new(), BTreeMap::new());
    live.printed = prints.printed;
    live.postponed = prints.postponed;
    live.unasked = prints.unasked;
    let replaced: Vec<_> = {
        let view = View::of(desired, live, indexes);
        rehearsal::replaced(view, asking).into_iter().cloned().collect()
    };
    if !live.unasked && !replaced.is_empty() {
        let around = rehearsal::around(server, &replaced.iter().collect::<Vec<_>>(), live, names).await?;
        live.dependents = around.dependents;
        live.found.extend(around.found);
        indexes.relations.extend(around.carriers);
    }
    live.moving = group::find(View::of(desired, live, indexes), asking.context);
    if live.unasked || replaced.is_empty() && live.postponed.is_empty() {
        return Ok(rejected);
    }
    let rehearsed = rehearsal::rehearse(server, View::of(desired, live, indexes), asking).await?;
    live.rehearsed = rehearsed.copies;
    rejected.problems.extend(rehearsed.rejected.problems);
    rejected.waiting.extend(rehearsed.rejected.waiting);
    if !rehearsed.printed.is_empty() {
        // Views that the server could interpret only now may be as declared already.
        live.printed.extend(rehearsed.printed);
        live.moving = group::find(View::of(desired, live, indexes), asking.context);
    }
    Ok(rejected)
}

/// The columns of the declared views that will be created or rebuilt.
#[must_use]
pub fn ahead(view: View<'_>) -> Projection {
    let mut ahead = Projection::default();
    for moving in view.live.moving.iter().filter(|moving| moving.as_declared) {
        if let Some(printed) = view.live.printed.get(&moving.name) {
            ahead.has_columns(&moving.name, printed.columns.clone());
        }
    }
    ahead
}

impl<'a> View<'a> {
    fn of(
        (desired, relations): (&'a [Declared<Matview>], &'a [index::DesiredRelation]),
        live: &'a Live,
        indexes: &'a index::Live,
    ) -> Self {
        Self { desired, live, indexes: index::View { desired: relations, live: indexes } }
    }
}
