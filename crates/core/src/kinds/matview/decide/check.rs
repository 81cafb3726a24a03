//! Checks whether a declared materialized view is possible, as far as names tell.

use super::{Decision, canonical, order, rights};
use crate::{
    declared::Declared,
    kind::Context,
    kinds::{
        index::{Index, Term, check as of_index},
        matview::{Live, Matview, View, canonical::Printed, group::Group},
    },
    postgres::name::{Ident, QualifiedName},
    problem::Problem,
};

/// All problems with the declaration.
pub(super) fn declared(
    declared: &Declared<Matview>,
    what: &Decision<'_>,
    view: View<'_>,
    context: Context<'_>,
) -> Vec<Problem> {
    let (sides, view) = (view, &declared.object);
    let (live, search_path) = (sides.live, context.session.search_path.as_slice());
    let mut problems = Vec::new();
    let vocabulary = context.vocabulary;
    let tablespace = view.tablespace.as_ref();
    problems.extend(tablespace.and_then(|name| vocabulary.refuses_tablespace(name, &declared.at.key("tablespace"))));
    let indexes = sides.indexes.desired(&view.name).map(|relation| relation.indexes.as_slice()).unwrap_or_default();
    let columns = live.printed.get(&view.name).map(Printed::column_names);
    let columns = columns.as_deref();
    match what {
        Decision::Create | Decision::Replace(_) => {
            for index in indexes {
                problems
                    .extend(columns.into_iter().flat_map(|known| of_index::unknown_columns(index, &view.name, known)));
                problems.extend(of_index::storage(index, context));
                problems.extend(of_index::taken(index, sides.indexes.live));
            }
        }
        Decision::Keep(..) => {}
    }
    problems.extend(rights::wrong(declared, what, live, context));
    if matches!(what, Decision::Replace(_)) {
        problems.extend(undecided(declared, sides, context));
        problems.extend(reads_itself(declared, live, search_path));
    }
    let stands = match what {
        Decision::Keep(found, _) => found.tells_rows_apart,
        Decision::Create | Decision::Replace(_) => false,
    };
    let among_declared = indexes.iter().any(|declared| tells_rows_apart(&declared.object));
    if matches!(what, Decision::Create | Decision::Replace(_)) {
        problems.extend(reads_nothing(declared, sides, search_path));
    }
    let concurrently = view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently);
    if concurrently && !stands && !among_declared {
        problems.push(needs_an_index(declared, columns));
    }
    problems
}

/// The dependents of a group that cannot be replaced with it.
pub(super) fn group(declared: &Declared<Matview>, group: &Group<'_>, view: View<'_>) -> Vec<Problem> {
    let live = view.live;
    let at = |message: String| Problem::new(&declared.body_at(), message).on_text(0).refusal();
    let mut problems: Vec<_> = group.others.iter().map(|other| cannot_stay(at, &other.what)).collect();
    for view in &group.views {
        let rehearsed = live.rehearsed.get(&view.name);
        if let Some(how) = rehearsed.and_then(|rehearsed| view.departs(&rehearsed.columns)) {
            let message = format!("view {} depends on it and would not stay as it is: {how}", view.name);
            problems.push(at(message).hint(format!("keep the column as it is, or drop {} in a migration", view.name)));
        }
    }
    let found = |name: &QualifiedName| live.found.get(name);
    // A role that may not replace the view itself only reads the plan.
    let applies = found(&declared.object.name).is_some_and(|found| found.own);
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

/// An unmanaged index that the new view could not have.
pub(super) fn unfit(declared: &Declared<Matview>, index: &Ident, column: &Ident) -> Problem {
    let view = &declared.object.name;
    let message =
        format!("`{view}` would lose the column `{column}`, which its index `{index}` needs, that is not declared");
    let problem = Problem::new(&declared.body_at(), message).on_text(0).refusal();
    problem.hint(format!("keep the column, or drop the index {} in a migration", view.sibling(index.clone())))
}

fn cannot_stay(at: impl Fn(String) -> Problem, what: &str) -> Problem {
    let problem = at(format!("its query differs, and {what} depends on it, which cannot be made anew with it"));
    problem.hint("drop that in a migration, apply, and make it again")
}

/// A new view that would have to exist both before and after this one.
pub(super) fn late(declared: &Declared<Matview>, new: &Declared<Matview>) -> Problem {
    let message = format!("a view that takes its place with it reads `{}`, which is new and reads it", new.object.name);
    let problem = Problem::new(&declared.at, message).on_key().related(&new.at, "new").refusal();
    problem.hint("apply in two steps: first without what reads the new one")
}

/// The server accepts a view that reads itself through a plain view, but would fill it from the view that it replaces.
fn reads_itself(declared: &Declared<Matview>, live: &Live, search_path: &[Ident]) -> Option<Problem> {
    let name = &declared.object.name;
    let mentions = declared.object.query.mentions(search_path);
    let through = live.found.get(name)?.read_by.iter().find(|view| mentions(view))?;
    let message = format!("it would read itself: `{through}` in its query reads `{name}`");
    Some(Problem::new(&declared.body_at(), message).on_text(0).hint("read what that view reads"))
}

/// The server cannot fill a view from one that is not populated.
fn reads_nothing(declared: &Declared<Matview>, sides: View<'_>, search_path: &[Ident]) -> Option<Problem> {
    let live = sides.live;
    let view = &declared.object;
    let is_filled = |other: &Declared<Matview>| {
        let found = live.found.get(&other.object.name);
        other.object.with_data && found.is_none() || found.is_some_and(|found| found.populated)
    };
    let mentions = order::mentions(&view.query, live, search_path);
    let mut others = sides.desired.iter().filter(|other| other.object.name != view.name && !is_filled(other));
    let empty = others.find(|other| view.with_data && mentions(&other.object.name))?;
    let message = format!("it is filled when it is made, and reads `{}`, which is not filled", empty.object.name);
    let problem = Problem::new(&declared.at, message).on_key().related(&empty.at, "not filled");
    Some(problem.hint("add `with_data: false` and `reconcile refresh` both, or fill that one first"))
}

/// If neither the registry nor the server can tell whether the query is as declared, nothing may be replaced.
fn undecided(declared: &Declared<Matview>, sides: View<'_>, context: Context<'_>) -> Option<Problem> {
    let live = sides.live;
    let unasked = live.unasked && !live.printed.contains_key(&declared.object.name);
    if !unasked || canonical::settled(declared, sides, context.registry).is_some() {
        return None;
    }
    let message = "this role cannot tell whether the view is as declared: it may not create temporary views here";
    let problem = Problem::new(&declared.at, message).on_key();
    Some(problem.hint("plan as a role with TEMPORARY on the database, on the primary"))
}

/// Whether an index lets REFRESH CONCURRENTLY find each row (docs/pitfalls.md, "A concurrent refresh needs a filled
/// view and a unique index").
fn tells_rows_apart(index: &Index) -> bool {
    let plain = |term: &Term| matches!(term, Term::Column(_));
    let definition = &index.definition;
    definition.unique && definition.predicate.is_none() && definition.columns.iter().all(|key| plain(&key.term))
}

fn needs_an_index(declared: &Declared<Matview>, columns: Option<&[Ident]>) -> Problem {
    let at = declared.at.key("refresh").key("concurrently");
    let message = "a concurrent refresh needs a unique index on plain columns, over all rows";
    let first = columns.and_then(|columns| columns.first()).map_or("…", Ident::as_str);
    let name = &declared.object.name.name;
    let hint = format!("add one under `indexes`, such as {name}_key: {{ columns: [{first}], unique: true }}");
    Problem::new(&at, message).hint(hint)
}
