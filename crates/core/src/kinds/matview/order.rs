//! The order of materialized views: a view comes after those that it reads.

use std::collections::{BTreeSet, HashMap};

use petgraph::{
    Direction,
    algo::{tarjan_scc, toposort},
    graph::{DiGraph, NodeIndex},
};

use super::{Live, Matview, Query};
use crate::{
    declared::Declared,
    postgres::name::{Ident, QualifiedName},
    problem::Problem,
};

/// Orders names so that each comes after all that it reads, and otherwise keeps their order. Takes time linear in names
/// and reads.
///
/// # Errors
/// Some read each other in a circle; returns their names.
pub fn sorted(reads: &[(QualifiedName, Vec<QualifiedName>)]) -> Result<Vec<QualifiedName>, Vec<QualifiedName>> {
    let position: HashMap<_, _> = reads.iter().enumerate().map(|(position, (name, _))| (name, position)).collect();
    let mut graph = DiGraph::<(), ()>::with_capacity(reads.len(), reads.len());
    let nodes: Vec<_> = reads.iter().map(|_| graph.add_node(())).collect();
    for (reader, (_, read)) in reads.iter().enumerate() {
        for read in read.iter().filter_map(|name| position.get(name)).filter(|read| **read != reader) {
            graph.add_edge(nodes[*read], nodes[reader], ());
        }
    }
    let Ok(order) = toposort(&graph, None) else { return Err(circle(reads, &graph)) };
    // Level 0 reads nothing, level 1 reads only level 0, and so on.
    let mut levels = vec![0; reads.len()];
    for node in order {
        let below = graph.neighbors_directed(node, Direction::Incoming).map(|read| levels[read.index()] + 1);
        levels[node.index()] = below.max().unwrap_or(0);
    }
    let mut sorted: Vec<_> = (0..reads.len()).collect();
    sorted.sort_by_key(|position| levels[*position]);
    Ok(sorted.into_iter().map(|position| reads[position].0.clone()).collect())
}

/// The names of a circle, in the order in which they read each other.
fn circle(reads: &[(QualifiedName, Vec<QualifiedName>)], graph: &DiGraph<(), ()>) -> Vec<QualifiedName> {
    let rings = tarjan_scc(graph).into_iter().filter(|ring| ring.len() > 1);
    let Some(ring) = rings.min_by_key(|ring| ring.iter().copied().min()) else { return Vec::new() };
    let mut path: Vec<NodeIndex> = ring.iter().copied().min().into_iter().collect();
    while let Some(last) = path.last() {
        // Its reads, in the order of its query.
        let read = reads[last.index()].1.iter();
        let next = read.filter_map(|name| ring.iter().find(|node| *node != last && reads[node.index()].0 == *name));
        let Some(next) = next.copied().next() else { break };
        if let Some(start) = path.iter().position(|node| *node == next) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    path.into_iter().map(|node| reads[node.index()].0.clone()).collect()
}

/// Returns a function that tells whether a query reads a materialized view, by its tokens: directly, or through
/// existing plain views.
pub fn mentions<'a>(
    query: &Query,
    live: &'a Live,
    search_path: &'a [Ident],
) -> impl Fn(&QualifiedName) -> bool + use<'a> {
    let mentions = query.mentions(search_path);
    move |name| {
        let between = live.found.get(name).map(|found| found.read_by.as_slice()).unwrap_or_default();
        mentions(name) || between.iter().any(&mentions)
    }
}

/// Materialized views by the names that a query can read them by: their own names, and those of existing plain views
/// over them. A lookup takes time by the names in the query, however many views there are.
pub struct Readable<'a> {
    views: Vec<&'a QualifiedName>,
    by_name: HashMap<&'a Ident, Vec<(&'a QualifiedName, usize)>>,
    search_path: &'a [Ident],
}

impl<'a> Readable<'a> {
    /// These views.
    pub fn new(views: impl IntoIterator<Item = &'a QualifiedName>, live: &'a Live, search_path: &'a [Ident]) -> Self {
        let views: Vec<_> = views.into_iter().collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (position, view) in views.iter().copied().enumerate() {
            let over = live.found.get(view).map(|found| found.read_by.as_slice()).unwrap_or_default();
            for name in std::iter::once(view).chain(over) {
                by_name.entry(&name.name).or_default().push((name, position));
            }
        }
        Self { views, by_name, search_path }
    }

    /// The views that a query reads, in their order.
    pub fn read_by(&self, query: &Query) -> impl Iterator<Item = &'a QualifiedName> {
        let mut read = BTreeSet::new();
        for mention in query.names() {
            let alike = self.by_name.get(&mention.name).into_iter().flatten();
            let meant = alike.filter(|(name, _)| mention.can_mean(name, self.search_path));
            read.extend(meant.map(|(_, position)| *position));
        }
        read.into_iter().map(|position| self.views[position])
    }
}

/// The other declared views that each declared view reads.
#[must_use]
pub fn reads(
    declared: &[Declared<Matview>],
    live: &Live,
    search_path: &[Ident],
) -> Vec<(QualifiedName, Vec<QualifiedName>)> {
    let readable = Readable::new(declared.iter().map(|view| &view.object.name), live, search_path);
    let of = |view: &Declared<Matview>| {
        let others = readable.read_by(&view.object.query).filter(|name| **name != view.object.name);
        others.cloned().collect()
    };
    declared.iter().map(|view| (view.object.name.clone(), of(view))).collect()
}

/// The problem with views that read each other in a circle.
#[must_use]
pub fn problem(circle: &[QualifiedName], declared: &[Declared<Matview>]) -> Problem {
    let names: Vec<_> = circle.iter().chain(circle.first()).map(ToString::to_string).collect();
    let message = format!("materialized views read each other in a circle: {}", names.join(" reads "));
    let of = |name: &QualifiedName| declared.iter().find(|view| view.object.name == *name);
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
