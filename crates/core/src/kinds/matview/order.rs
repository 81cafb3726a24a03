//! Which materialized view comes before which: one that is read, before the one that reads it.

use super::Query;
use crate::{
    desired::DeclaredMatview,
    live::Live,
    postgres::name::{Ident, QualifiedName},
    problem::Problem,
};

/// Names with what each reads, in an order in which all that is read comes first; or the names of a circle.
///
/// # Errors
/// Some read each other in a circle.
pub fn sorted(reads: &[(QualifiedName, Vec<QualifiedName>)]) -> Result<Vec<QualifiedName>, Vec<QualifiedName>> {
    let mut done: Vec<QualifiedName> = Vec::with_capacity(reads.len());
    let mut open: Vec<_> = reads.iter().collect();
    while !open.is_empty() {
        let waits = |name: &QualifiedName, of: &QualifiedName| name != of && open.iter().any(|(open, _)| open == name);
        let (free, held): (Vec<_>, Vec<_>) =
            open.iter().copied().partition(|(name, reads)| !reads.iter().any(|read| waits(read, name)));
        if free.is_empty() {
            return Err(circle(&held));
        }
        done.extend(free.into_iter().map(|(name, _)| name.clone()));
        open = held;
    }
    Ok(done)
}

/// Follows what reads what until a name comes again.
fn circle(held: &[&(QualifiedName, Vec<QualifiedName>)]) -> Vec<QualifiedName> {
    let mut path: Vec<QualifiedName> = held.first().map(|(name, _)| name.clone()).into_iter().collect();
    while let Some(last) = path.last() {
        let reads = held.iter().find(|(name, _)| name == last).map(|(_, reads)| reads.as_slice()).unwrap_or_default();
        let is_held = |name: &&QualifiedName| *name != last && held.iter().any(|(held, _)| held == *name);
        let Some(next) = reads.iter().find(is_held).cloned() else { break };
        if let Some(start) = path.iter().position(|name| *name == next) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    path
}

/// Decision tells whether a query reads a materialized view, by its words: directly, or through plain views that stand.
pub fn mentions<'a>(
    query: &Query,
    live: &'a Live,
    search_path: &'a [Ident],
) -> impl Fn(&QualifiedName) -> bool + use<'a> {
    let mentions = query.mentions(search_path);
    move |name| {
        let between = live.matviews.found.get(name).map(|found| found.read_by.as_slice()).unwrap_or_default();
        mentions(name) || between.iter().any(&mentions)
    }
}

/// Decision each declared view reads of the others.
#[must_use]
pub fn reads(
    declared: &[DeclaredMatview],
    live: &Live,
    search_path: &[Ident],
) -> Vec<(QualifiedName, Vec<QualifiedName>)> {
    let of = |view: &DeclaredMatview| {
        let mentions = mentions(&view.view.query, live, search_path);
        let others = declared.iter().map(|other| &other.view.name).filter(|name| **name != view.view.name);
        others.filter(|name| mentions(name)).cloned().collect()
    };
    declared.iter().map(|view| (view.view.name.clone(), of(view))).collect()
}

/// Decision is said of views that read each other.
#[must_use]
pub fn problem(circle: &[QualifiedName], declared: &[DeclaredMatview]) -> Problem {
    let names: Vec<_> = circle.iter().chain(circle.first()).map(ToString::to_string).collect();
    let message = format!("materialized views read each other in a circle: {}", names.join(" reads "));
    let of = |name: &QualifiedName| declared.iter().find(|view| view.view.name == *name);
    let mut problem = match circle.first().and_then(of) {
        Some(first) => Problem::new(&first.at, message).on_key(),
        None => Problem::nowhere(message),
    };
    for other in circle.iter().skip(1).filter_map(of) {
        problem = problem.related(&other.at, "and this");
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> QualifiedName {
        QualifiedName::parse(text).unwrap()
    }

    fn reads(edges: &[(&str, &[&str])]) -> Vec<(QualifiedName, Vec<QualifiedName>)> {
        edges.iter().map(|(view, reads)| (name(view), reads.iter().map(|read| name(read)).collect())).collect()
    }

    #[test]
    fn what_is_read_comes_first() {
        let sorted = sorted(&reads(&[("a", &["c"]), ("b", &["a", "t"]), ("c", &["c"])])).unwrap();
        assert_eq!(sorted, [name("c"), name("a"), name("b")]);
    }

    #[test]
    fn a_circle_is_named_without_those_that_only_read_it() {
        let circle = sorted(&reads(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])).unwrap_err();
        assert_eq!(circle, [name("b"), name("c")]);
    }
}
