//! Which declared indexes equal a live one, as far as that is known without asking the server what their SQL means.

use std::collections::{BTreeMap, BTreeSet};

use super::{Carrier, Definition, Index, Live, LiveIndex, View};
use crate::{
    declared::Declared,
    digest::Digest,
    postgres::{
        lookup,
        name::{Ident, QualifiedName},
    },
    registry::Registry,
};

/// The live definition that the declared one is known to equal.
///
/// There are two ways to know. Both are as the registry recorded them when they were applied. Or the declaration has the
/// same text as a live index of that relation, and none of the names in its SQL means something else along the project's
/// search path than it meant to the server's print. The server decides about all others.
#[must_use]
pub fn settled<'a>(declared: &Declared<Index>, carrier: &'a Carrier, live: &Live) -> Option<&'a Definition> {
    let index = &declared.object;
    let own = carrier.indexes.get(&index.name).filter(|own| live.recorded.contains(&own.oid));
    // The server has to check parameters that the index does not have yet.
    let accepted = |live: &LiveIndex| index.with.is_none() || index.with == live.index.with;
    let equal = || {
        let mut indexes = carrier.indexes.values();
        indexes.find(|live| live.index.definition == index.definition && accepted(live))
    };
    let own = own.or_else(|| equal().filter(|_| reads_as_printed(index, live)))?;
    Some(&own.index.definition)
}

/// The canonical definition of a declared index: settled, or as the server said. `None`: the server refused it.
pub(super) fn known<'a>(declared: &Declared<Index>, carrier: &'a Carrier, live: &'a Live) -> Option<&'a Definition> {
    settled(declared, carrier, live).or_else(|| live.canonical.get(&declared.object.address()))
}

/// Whether the SQL of a declaration means what it meant to the server, if the server printed it.
fn reads_as_printed(index: &Index, live: &Live) -> bool {
    let clear = |shadowed: &BTreeSet<String>| names(index).is_some_and(|names| names.is_disjoint(shadowed));
    !index.definition.has_fragments() || live.shadowed.as_ref().is_some_and(clear)
}

/// The names that the SQL of a declaration looks up. `None`: they cannot be told.
fn names(index: &Index) -> Option<BTreeSet<String>> {
    let each = index.definition.fragments().map(|(_, fragment)| lookup::names(fragment.as_str()));
    each.collect::<Option<Vec<_>>>().map(|names| names.into_iter().flatten().collect())
}

/// The names in the SQL of unsettled declarations that have the same text as a live index. If nothing else along the search
/// path has these names, the declarations are settled.
#[must_use]
pub fn looked_up(view: View<'_>) -> BTreeSet<String> {
    let printed = |(declared, carrier): &(&Declared<Index>, &Carrier)| {
        let definition = &declared.object.definition;
        definition.has_fragments() && carrier.indexes.values().any(|live| live.index.definition == *definition)
    };
    let candidates = view.unsettled().filter(printed);
    candidates.filter_map(|(declared, _)| names(&declared.object)).flatten().collect()
}

/// The live indexes that, like their declaration, are as the registry recorded them.
#[must_use]
pub fn recorded(view: View<'_>, registry: &Registry) -> BTreeSet<u32> {
    let carriers = view.desired.iter().filter_map(|desired| Some((desired, view.live.relations.get(&desired.name)?)));
    let named = carriers.flat_map(|(desired, carrier)| {
        desired.indexes.iter().filter_map(|declared| Some((declared, carrier.indexes.get(&declared.object.name)?)))
    });
    named.filter(|(declared, own)| is_recorded(declared, own, registry)).map(|(_, own)| own.oid).collect()
}

fn is_recorded(declared: &Declared<Index>, own: &LiveIndex, registry: &Registry) -> bool {
    let recorded = registry.managed.get(&declared.object.address());
    recorded.is_some_and(|recorded| {
        recorded.declared == declared.digest && recorded.definition == Digest::of(&own.index.definition)
    })
}

/// The names of the declared indexes that only the server can judge, by relation.
#[must_use]
pub fn find_unsettled(view: View<'_>) -> BTreeMap<QualifiedName, BTreeSet<Ident>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let carriers = view.desired.iter().filter_map(|desired| Some((desired, view.live.relations.get(&desired.name)?)));
    for (desired, carrier) in carriers.filter(|(_, carrier)| !carrier.is_system_catalog()) {
        for declared in &desired.indexes {
            if settled(declared, carrier, view.live).is_none() {
                found.entry(desired.name.clone()).or_default().insert(declared.object.name.clone());
            }
        }
    }
    found
}
