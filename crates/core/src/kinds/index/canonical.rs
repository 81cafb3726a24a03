//! Which declared indexes are known to equal a live one without asking the server what their SQL means.

use std::collections::BTreeSet;

use super::{Carrier, Definition, Index, Live, LiveIndex, View};
use crate::{declared::Declared, digest::Digest, registry::Registry};

/// The live definition that the declared one is known to equal.
///
/// Either both are what the registry recorded when they were applied; or the declaration holds no SQL and reads
/// the same as a live index of that relation. Everything else is for the server to say.
#[must_use]
pub fn settled<'a>(declared: &Declared<Index>, carrier: &'a Carrier, live: &Live) -> Option<&'a Definition> {
    let index = &declared.object;
    let own = carrier.indexes.get(&index.name).filter(|own| live.recorded.contains(&own.oid));
    // Parameters that are new to the index are for the server to accept.
    let accepted = |live: &LiveIndex| index.with.is_none() || index.with == live.index.with;
    let equal = || {
        let mut indexes = carrier.indexes.values();
        indexes.find(|live| live.index.definition == index.definition && accepted(live))
    };
    let own = own.or_else(|| if index.definition.has_fragments() { None } else { equal() })?;
    Some(&own.index.definition)
}

/// The live indexes whose declaration and definition are those that the registry recorded.
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

/// The declared indexes that only the server can judge, with what carries them.
#[must_use]
pub fn unsettled(view: View<'_>) -> Vec<(&Declared<Index>, &Carrier)> {
    view.desired
        .iter()
        .filter_map(|relation| Some((relation, view.live.relations.get(&relation.name)?)))
        .flat_map(|(desired, carrier)| desired.indexes.iter().map(move |declared| (declared, carrier)))
        .filter(|(declared, carrier)| settled(declared, carrier, view.live).is_none())
        .collect()
}
