//! Names that reconcile gives: to new objects beside old ones, and to parts on partitions. They depend only on the
//! declaration, so that a later run finds what an earlier one left.

use super::{Carrier, Index, Live};
use crate::{
    digest::Digest,
    postgres::{
        name::{Ident, QualifiedName},
        relation::RelationKind,
    },
};

/// The name under which a replacement is built. It depends only on the declaration, so that a later run finds it.
#[must_use]
pub fn building_name(index: &Index) -> Ident {
    hidden("reconcile_new_", index)
}

/// The name that a replaced index has until it is dropped.
#[must_use]
pub fn retired_name(index: &Index) -> Ident {
    hidden("reconcile_old_", index)
}

fn hidden(beginning: &str, index: &Index) -> Ident {
    let address = index.address();
    Ident::generated(&format!("{beginning}{}", Digest::of(&address).short(16)), &address)
}

/// The name of a partitioned index's part on one partition.
#[must_use]
pub fn partition_index_name(index: &Ident, partition: &QualifiedName) -> Ident {
    let name = format!("{}_{}", index.as_str(), partition.name.as_str());
    Ident::generated(&name, &(index, partition))
}

/// The names of all parts that a partitioned index needs and that do not exist yet.
#[must_use]
pub fn part_names(index: &Ident, relation: &Carrier, live: &Live) -> Vec<QualifiedName> {
    let mut names = Vec::new();
    for partition in live.partitions(relation).filter(|partition| partition.kind != RelationKind::Foreign) {
        let part = partition_index_name(index, &partition.name);
        names.extend(part_names(&part, partition, live));
        if !partition.indexes.contains_key(&part) {
            names.push(partition.name.sibling(part));
        }
    }
    names
}
