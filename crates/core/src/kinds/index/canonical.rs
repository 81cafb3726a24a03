//! Which declared indexes are known to equal a live one without asking the server what their SQL means.

use std::collections::{HashMap, HashSet};

use super::Definition;
use crate::{
    address::Address,
    desired::{DeclaredIndex, Desired},
    digest::Digest,
    live::{Live, LiveIndex, Relation},
};

/// The canonical definitions of declared indexes, as the server sees them, by address.
pub type Canonical = HashMap<Address, Definition>;

/// The live definition that the declared one is known to equal.
///
/// Either both are what the registry recorded when they were applied; or the declaration holds no SQL and reads
/// the same as a live index of that relation. Everything else is for the server to say.
#[must_use]
pub fn settled<'a>(declared: &DeclaredIndex, relation: &'a Relation, live: &Live) -> Option<&'a Definition> {
    let own = relation.indexes.get(&declared.index.name).filter(|own| live.recorded.contains(&own.oid));
    // Parameters that are new to the index are for the server to accept.
    let accepted = |live: &LiveIndex| declared.index.with.is_none() || declared.index.with == live.index.with;
    let equal = || {
        let mut indexes = relation.indexes.values();
        indexes.find(|live| live.index.definition == declared.index.definition && accepted(live))
    };
    let own = own.or_else(|| if declared.index.definition.has_fragments() { None } else { equal() })?;
    Some(&own.index.definition)
}

/// The live indexes whose declaration and definition are those that the registry recorded.
#[must_use]
pub fn recorded(desired: &Desired, live: &Live) -> HashSet<u32> {
    let relations = desired.relations.iter().filter_map(|desired| Some((desired, live.relations.get(&desired.name)?)));
    let named = relations.flat_map(|(desired, relation)| {
        desired.indexes.iter().filter_map(|declared| Some((declared, relation.indexes.get(&declared.index.name)?)))
    });
    named.filter(|(declared, own)| is_recorded(declared, own, live)).map(|(_, own)| own.oid).collect()
}

fn is_recorded(declared: &DeclaredIndex, own: &LiveIndex, live: &Live) -> bool {
    let recorded = live.registry.managed.get(&declared.index.address());
    recorded.is_some_and(|recorded| {
        recorded.declared == declared.digest && recorded.definition == Digest::of(&own.index.definition)
    })
}

/// The declared indexes that only the server can judge, with their relations.
#[must_use]
pub fn unsettled<'a>(desired: &'a Desired, live: &'a Live) -> Vec<(&'a DeclaredIndex, &'a Relation)> {
    desired
        .relations
        .iter()
        .filter_map(|relation| Some((relation, live.relations.get(&relation.name)?)))
        .flat_map(|(desired, relation)| desired.indexes.iter().map(move |declared| (declared, relation)))
        .filter(|(declared, relation)| settled(declared, relation, live).is_none())
        .collect()
}
