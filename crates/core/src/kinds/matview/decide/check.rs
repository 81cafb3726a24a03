//! Whether a declared materialized view can be made what is declared, as far as names tell.

use super::{What, canonical};
use crate::{
    desired::{DeclaredMatview, Desired},
    kinds::index::{Index, Term, check as of_index},
    live::Live,
    name::Ident,
    problem::Problem,
};

/// Everything that is wrong with it.
pub(super) fn declared(
    declared: &DeclaredMatview,
    what: &What<'_>,
    desired: &Desired,
    live: &Live,
    search_path: &[Ident],
) -> Vec<Problem> {
    let view = &declared.view;
    let mut problems = Vec::new();
    if let Some(tablespace) = &view.tablespace
        && !live.vocabulary.tablespaces.iter().any(|known| known == tablespace.as_str())
    {
        let message = format!("this server has no tablespace `{tablespace}`");
        let known = live.vocabulary.tablespaces.iter().map(String::as_str);
        let problem = Problem::new(&declared.at.key("tablespace"), message);
        problems.push(problem.did_you_mean(tablespace.as_str(), known));
    }
    let indexes = desired.relation(&view.name).map(|relation| relation.indexes.as_slice()).unwrap_or_default();
    let columns = live.matviews.printed.get(&view.name).map(|printed| printed.columns.as_slice());
    match what {
        What::Create | What::Replace(_) => {
            for index in indexes {
                problems
                    .extend(columns.into_iter().flat_map(|known| of_index::unknown_columns(index, &view.name, known)));
                problems.extend(of_index::storage(index, live));
            }
        }
        What::Keep(..) => {}
    }
    if let What::Replace(found) = what {
        problems.extend(undecided(declared, live));
        if !found.dependents.is_empty() {
            let message = format!("its query differs, and there depends on it: {}", found.dependents.join(", "));
            let hint = "drop that in a migration, apply, and make it again: rebuilding dependents is not supported yet";
            problems.push(Problem::new(&declared.query_at, message).on_text(0).hint(hint));
        }
    }
    let stands = match what {
        What::Keep(found, _) => found.tells_rows_apart,
        What::Create | What::Replace(_) => false,
    };
    let among_declared = indexes.iter().any(|declared| tells_rows_apart(&declared.index));
    if matches!(what, What::Create | What::Replace(_)) {
        problems.extend(reads_nothing(declared, desired, live, search_path));
    }
    let concurrently = view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently);
    if concurrently && !stands && !among_declared {
        problems.push(needs_an_index(declared, columns));
    }
    problems
}

/// The server fills no view from one that is not filled itself.
fn reads_nothing(declared: &DeclaredMatview, desired: &Desired, live: &Live, search_path: &[Ident]) -> Option<Problem> {
    let view = &declared.view;
    let is_filled = |other: &DeclaredMatview| {
        let found = live.matviews.found.get(&other.view.name);
        other.view.with_data && found.is_none() || found.is_some_and(|found| found.populated)
    };
    let mentions = view.query.mentions(search_path);
    let mut others = desired.matviews.iter().filter(|other| other.view.name != view.name && !is_filled(other));
    let empty = others.find(|other| view.with_data && mentions(&other.view.name))?;
    let message = format!("it is filled when it is made, and reads `{}`, which is not filled", empty.view.name);
    let problem = Problem::new(&declared.at, message).on_key().related(&empty.at, "not filled");
    Some(problem.hint("add `with_data: false` and `reconcile refresh` both, or fill that one first"))
}

/// Where neither the registry nor the server can tell whether the query is as declared, nothing may be replaced.
fn undecided(declared: &DeclaredMatview, live: &Live) -> Option<Problem> {
    let unasked = live.matviews.unasked && !live.matviews.printed.contains_key(&declared.view.name);
    if !unasked || canonical::settled(declared, live).is_some() {
        return None;
    }
    let message = "this role cannot tell whether the view is as declared: it may not create temporary views here";
    let problem = Problem::new(&declared.at, message).on_key();
    Some(problem.hint("plan as a role with TEMPORARY on the database, on the primary"))
}

/// Whether an index lets REFRESH CONCURRENTLY find each row (TRAPS 28).
fn tells_rows_apart(index: &Index) -> bool {
    let plain = |term: &Term| matches!(term, Term::Column(_));
    let definition = &index.definition;
    definition.unique && definition.predicate.is_none() && definition.columns.iter().all(|key| plain(&key.term))
}

fn needs_an_index(declared: &DeclaredMatview, columns: Option<&[Ident]>) -> Problem {
    let at = declared.at.key("refresh").key("concurrently");
    let message = "a concurrent refresh needs a unique index on plain columns, over all rows";
    let first = columns.and_then(|columns| columns.first()).map_or("…", Ident::as_str);
    let name = &declared.view.name.name;
    let hint = format!("add one under `indexes`, such as {name}_key: {{ columns: [{first}], unique: true }}");
    Problem::new(&at, message).hint(hint)
}
