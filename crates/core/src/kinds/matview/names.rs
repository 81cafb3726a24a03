//! The names that reconcile gives while it replaces a materialized view. They depend on its address alone, so that a
//! later run finds what an earlier one left.

use crate::{
    digest::Digest,
    kinds::index::names as of_index,
    postgres::name::{Ident, QualifiedName},
};

use super::{Matview, address};

/// What every such name begins with.
pub const BUILDING: &str = "reconcile_new_";

/// Hexadecimal ones, which follow.
const DIGITS: usize = 16;

/// The name that a replacement is built under.
#[must_use]
pub fn building_name(view: &QualifiedName) -> QualifiedName {
    let digest = Digest::of(&address(view));
    view.sibling(Ident::fitted(BUILDING, digest.short(DIGITS)))
}

/// Whether a name is one that a replacement is built under, of whatever view.
#[must_use]
pub fn is_building_name(view: &QualifiedName) -> bool {
    let rest = view.name.as_str().strip_prefix(BUILDING);
    rest.is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The name that a statistics object on a replacement is built under, in the schema of its own.
#[must_use]
pub fn building_statistics(name: &QualifiedName) -> QualifiedName {
    name.sibling(Ident::fitted(BUILDING, Digest::of(&("statistics", name)).short(16)))
}

/// The names that the indexes of a replacement are built under, each with the index.
#[must_use]
pub fn building_indexes(view: &Matview) -> Vec<(Ident, &crate::kinds::index::Index)> {
    view.indexes.iter().map(|index| (of_index::building_name(index), index)).collect()
}
