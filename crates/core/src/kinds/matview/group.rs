//! Which materialized views are rebuilt together: those whose query differs, those that read them and so could not
//! remain, and the plain views over them. `decide` plans the changes; `rehearsal` tries them on the server first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Live, Matview, Query, View, address, canonical,
    dependents::{Dependent, Reader},
    names::{building_name, is_building_name},
    order::{self, Readable},
};
use crate::{
    declared::Declared,
    kind::Context,
    kinds::index::protected,
    postgres::name::{Ident, QualifiedName},
    registry::Registry,
};

/// A view that is created or rebuilt.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a QualifiedName,
    /// The declaration, if its query is to be the declared one; `None`: it keeps its query.
    pub declared: Option<&'a Declared<Matview>>,
    /// The query, as declared or as the server prints it.
    pub query: Query,
    /// The other members that the query reads.
    pub reads: Vec<QualifiedName>,
}

/// A member by name, for the live side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The view.
    pub name: QualifiedName,
    /// Whether it gets its declared query; otherwise it keeps its query.
    pub as_declared: bool,
    /// The other members that its query reads.
    pub reads: Vec<QualifiedName>,
}

/// Views that are replaced at the same moment, in an order in which they can be built.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The materialized views.
    pub members: Vec<&'a Member<'a>>,
    /// The plain views over them.
    pub views: Vec<&'a Reader>,
    /// Dependent objects that cannot be rebuilt.
    pub others: Vec<&'a Dependent>,
}

/// Whether a declared view exists with another query.
#[must_use]
pub fn is_replaced(declared: &Declared<Matview>, view: View<'_>, registry: &Registry) -> bool {
    let found = view.live.found.get(&declared.object.name).filter(|found| found.is_matview());
    found.is_some_and(|found| canonical::differs(declared, found, view, registry))
}

/// Whether a view will be dropped.
#[must_use]
pub fn goes(name: &QualifiedName, view: View<'_>, context: Context<'_>) -> bool {
    let address = address(name);
    context.registry.manages(&address)
        && protected(context.registry, name).is_none()
        && view.declared(name).is_none()
        && context.scope.admits(&address)
        && context.scope.released(&address).is_none()
}

/// Finds all views that are created or rebuilt, in an order in which they can be built; empty if some read each other
/// in a circle.
#[must_use]
pub fn find(view: View<'_>, context: Context<'_>) -> Vec<Moving> {
    let (live, search_path) = (view.live, &context.session.search_path);
    let is_new = |declared: &Declared<Matview>| !live.found.contains_key(&declared.object.name);
    let declared = view.desired.iter().filter(|declared| context.scope.admits(&declared.object.address()));
    let declared: Vec<_> =
        declared.filter(|declared| is_new(declared) || is_replaced(declared, view, context.registry)).collect();
    let names: BTreeSet<_> = declared.iter().map(|declared| &declared.object.name).collect();
    let anew = |name: &QualifiedName| names.contains(name);
    let chained = live.dependents.iter().filter_map(|dependent| Some((dependent, dependent.matview()?)));
    let chained: Vec<_> = chained
        .filter(|(_, reader)| {
            !anew(&reader.name) && !is_building_name(&reader.name) && !goes(&reader.name, view, context)
        })
        .collect();
    let of_chain = chained.iter().map(|(dependent, reader)| Moving {
        name: reader.name.clone(),
        as_declared: false,
        reads: dependent.uses.iter().map(|used| used.view.clone()).collect(),
    });
    let all = names.iter().copied().chain(chained.iter().map(|(_, reader)| &reader.name));
    let readable = Readable::new(all, live, search_path);
    let of_declared = declared.iter().map(|declared| {
        let name = &declared.object.name;
        let others = readable.read_by(&declared.object.query).filter(|other| *other != name);
        Moving { name: name.clone(), as_declared: true, reads: others.cloned().collect() }
    });
    let mut moving: Vec<_> = of_declared.chain(of_chain).collect();
    let reads: Vec<_> = moving.iter().map(|one| (one.name.clone(), one.reads.clone())).collect();
    let Ok(sorted) = order::sorted(&reads) else { return Vec::new() };
    let positions: HashMap<_, _> = sorted.iter().enumerate().map(|(position, name)| (name, position)).collect();
    moving.sort_by_key(|one| positions.get(&one.name).copied());
    moving
}

/// The members, with their queries.
#[must_use]
pub fn members(view: View<'_>) -> Vec<Member<'_>> {
    let kept = |name: &QualifiedName| {
        let readers = view.live.dependents.iter().filter_map(Dependent::matview);
        readers.filter(|reader| reader.name == *name).map(Reader::query).next()
    };
    let member = |one: &'_ Moving| {
        let declared = view.declared(&one.name).filter(|_| one.as_declared);
        let query = declared.map(|declared| declared.object.query.clone()).or_else(|| kept(&one.name))?;
        Some((declared, query))
    };
    let members = view.live.moving.iter().filter_map(|one| {
        let (declared, query) = member(one)?;
        Some(Member { name: &one.name, declared, query, reads: one.reads.clone() })
    });
    members.collect()
}

/// The groups of members that must be replaced at the same moment, because they read each other before or afterwards.
#[must_use]
pub fn groups<'a>(members: &'a [Member<'a>], live: &'a Live) -> Vec<Group<'a>> {
    let standing: Vec<_> = members.iter().filter(|member| live.found.contains_key(member.name)).collect();
    let read_before = |member: &Member<'_>| {
        let readers = live.dependents.iter();
        let own = readers.filter(|dependent| dependent.matview().is_some_and(|reader| reader.name == *member.name));
        own.flat_map(|dependent| dependent.uses.iter().map(|used| &used.view)).collect::<Vec<_>>()
    };
    let mut of: BTreeMap<_, _> = standing.iter().enumerate().map(|(number, member)| (member.name, number)).collect();
    for member in &standing {
        for other in member.reads.iter().chain(read_before(member)) {
            let (Some(one), Some(another)) = (of.get(member.name).copied(), of.get(other).copied()) else { continue };
            of.values_mut().filter(|group| **group == one).for_each(|group| *group = another);
        }
    }
    let numbers: BTreeSet<_> = of.values().copied().collect();
    let group = |number: usize| {
        let members: Vec<&Member<'a>> =
            standing.iter().copied().filter(|member| of.get(member.name) == Some(&number)).collect();
        let of_group = |dependent: &&Dependent| members.iter().any(|member| dependent.depends_on(member.name));
        let dependents: Vec<_> = live.dependents.iter().filter(of_group).collect();
        let views = dependents.iter().filter_map(|dependent| dependent.plain_view()).collect();
        let others = dependents.iter().filter(|dependent| dependent.relation.is_none()).copied().collect();
        Group { members, views, others }
    };
    numbers.into_iter().map(group).collect()
}

impl Group<'_> {
    /// Whether it is one view without dependents.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.members.len() == 1 && self.views.is_empty() && self.others.is_empty()
    }

    /// Whether a view is a member of the group.
    #[must_use]
    pub fn has(&self, name: &QualifiedName) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// The name that each of `members` has while the group is built, by the name of its copy in the rehearsal.
    #[must_use]
    pub fn names(&self, members: &[Member<'_>]) -> Vec<(Ident, QualifiedName)> {
        let name = |member: &Member<'_>| {
            let building = building_name(member.name);
            (building.name.clone(), if self.has(member.name) { building } else { member.name.clone() })
        };
        members.iter().map(name).collect()
    }
}

/// The final name of each of `members`, by the name of its copy in the rehearsal.
#[must_use]
pub fn final_names(members: &[Member<'_>]) -> Vec<(Ident, QualifiedName)> {
    members.iter().map(|member| (building_name(member.name).name, member.name.clone())).collect()
}
