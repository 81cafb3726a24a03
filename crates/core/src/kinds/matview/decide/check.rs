//! Whether a declared materialized view can be made what is declared, as far as names tell.

use super::{Decision, canonical, order, rights};
use crate::{
    desired::{DeclaredMatview, Desired},
    kinds::{
        index::{Index, Term, check as of_index},
        matview::{canonical::Printed, group::Group},
    },
    live::Live,
    postgres::name::{Ident, QualifiedName},
    problem::Problem,
};

/// Everything that is wrong with it.
pub(super) fn declared(
    declared: &DeclaredMatview,
    what: &Decision<'_>,
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
    let columns = live.matviews.printed.get(&view.name).map(Printed::column_names);
    let columns = columns.as_deref();
    match what {
        Decision::Create | Decision::Replace(_) => {
            for index in indexes {
                problems
                    .extend(columns.into_iter().flat_map(|known| of_index::unknown_columns(index, &view.name, known)));
                problems.extend(of_index::storage(index, live));
                problems.extend(of_index::taken(index, live));
            }
        }
        Decision::Keep(..) => {}
    }
    problems.extend(rights::wrong(declared, what, live));
    if matches!(what, Decision::Replace(_)) {
        problems.extend(undecided(declared, live));
        problems.extend(reads_itself(declared, live, search_path));
    }
    let stands = match what {
        Decision::Keep(found, _) => found.tells_rows_apart,
        Decision::Create | Decision::Replace(_) => false,
    };
    let among_declared = indexes.iter().any(|declared| tells_rows_apart(&declared.index));
    if matches!(what, Decision::Create | Decision::Replace(_)) {
        problems.extend(reads_nothing(declared, desired, live, search_path));
    }
    let concurrently = view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently);
    if concurrently && !stands && !among_declared {
        problems.push(needs_an_index(declared, columns));
    }
    problems
}

/// Decision depends on a group and cannot take its place with it.
pub(super) fn group(declared: &DeclaredMatview, group: &Group<'_>, live: &Live) -> Vec<Problem> {
    let at = |message: String| Problem::new(&declared.query_at, message).on_text(0).refusal();
    let mut problems: Vec<_> = group.others.iter().map(|other| cannot_stay(at, &other.what)).collect();
    for view in &group.views {
        let rehearsed = live.matviews.rehearsed.get(&view.name);
        if let Some(how) = rehearsed.and_then(|rehearsed| view.departs(&rehearsed.columns)) {
            let message = format!("view {} depends on it and would not stay as it is: {how}", view.name);
            problems.push(at(message).hint(format!("keep the column as it is, or drop {} in a migration", view.name)));
        }
    }
    let found = |name: &QualifiedName| live.matviews.found.get(name);
    // Who may not replace the view itself only reads the plan.
    let applies = found(&declared.view.name).is_some_and(|found| found.own);
    let matviews = group.members.iter().filter_map(|member| found(member.name)).filter(|found| !found.own);
    let strangers = group.views.iter().filter(|view| !view.own).map(|view| ("view", &view.name, &view.owner));
    let strangers = strangers.chain(matviews.map(|found| ("materialized view", &found.name, &found.owner)));
    for (what, name, owner) in strangers.filter(|_| applies) {
        let message = format!("{what} {name} depends on it and belongs to {owner}, whom this role cannot act for");
        problems.push(at(message).hint(format!("apply as a role that is a member of {owner} as well")));
    }
    for member in &group.members {
        let empty = |name: &&QualifiedName| found(name).is_some_and(|found| !found.populated) && group.has(name);
        let filled = found(member.name).is_some_and(|found| found.populated);
        if let Some(read) = member.reads.iter().find(|read| filled && member.declared.is_none() && empty(read)) {
            let message =
                format!("`{}` depends on it and could not be filled again: `{read}` is not filled", member.name);
            problems.push(at(message).hint("refresh that one first"));
        }
    }
    problems
}

/// An index of somebody's that the view could not carry any more.
pub(super) fn unfit(declared: &DeclaredMatview, index: &Ident, column: &Ident) -> Problem {
    let view = &declared.view.name;
    let message =
        format!("`{view}` would lose the column `{column}`, which its index `{index}` needs, that is not declared");
    let problem = Problem::new(&declared.query_at, message).on_text(0).refusal();
    problem.hint(format!("keep the column, or drop the index {} in a migration", view.sibling(index.clone())))
}

fn cannot_stay(at: impl Fn(String) -> Problem, what: &str) -> Problem {
    let problem = at(format!("its query differs, and {what} depends on it, which cannot be made anew with it"));
    problem.hint("drop that in a migration, apply, and make it again")
}

/// One that would have to be there before and after this one.
pub(super) fn late(declared: &DeclaredMatview, new: &DeclaredMatview) -> Problem {
    let message = format!("a view that takes its place with it reads `{}`, which is new and reads it", new.view.name);
    let problem = Problem::new(&declared.at, message).on_key().related(&new.at, "new").refusal();
    problem.hint("apply in two steps: first without what reads the new one")
}

/// The server takes a view that reads itself through a plain view, and would fill it from what it is to take the place of.
fn reads_itself(declared: &DeclaredMatview, live: &Live, search_path: &[Ident]) -> Option<Problem> {
    let name = &declared.view.name;
    let mentions = declared.view.query.mentions(search_path);
    let through = live.matviews.found.get(name)?.read_by.iter().find(|view| mentions(view))?;
    let message = format!("it would read itself: `{through}` in its query reads `{name}`");
    Some(Problem::new(&declared.query_at, message).on_text(0).hint("read what that view reads"))
}

/// The server fills no view from one that is not filled itself.
fn reads_nothing(declared: &DeclaredMatview, desired: &Desired, live: &Live, search_path: &[Ident]) -> Option<Problem> {
    let view = &declared.view;
    let is_filled = |other: &DeclaredMatview| {
        let found = live.matviews.found.get(&other.view.name);
        other.view.with_data && found.is_none() || found.is_some_and(|found| found.populated)
    };
    let mentions = order::mentions(&view.query, live, search_path);
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
