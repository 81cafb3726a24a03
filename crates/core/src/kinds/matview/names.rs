//! The names that reconcile uses while it replaces a materialized view. They depend only on the view's address, so that
//! a later run finds what an earlier one left.

use serde::Serialize;

use crate::{
    digest::Digest,
    kinds::index::names as of_index,
    postgres::name::{Ident, QualifiedName},
};

use super::{Matview, address};

/// The beginning of every such name.
pub const BUILDING: &str = "reconcile_new_";

/// The number of hexadecimal digits after it.
const DIGITS: usize = 16;

/// The name of a replacement while it is built.
#[must_use]
pub fn building_name(view: &QualifiedName) -> QualifiedName {
    view.sibling(building(&address(view)))
}

fn building(of: &impl Serialize) -> Ident {
    Ident::generated(&format!("{BUILDING}{}", Digest::of(of).short(DIGITS)), of)
}

/// Whether a name is that of a replacement, for any view.
#[must_use]
pub fn is_building_name(view: &QualifiedName) -> bool {
    let rest = view.name.as_str().strip_prefix(BUILDING);
    rest.is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The name of a statistics object on a replacement while it is built, in the schema of the original.
#[must_use]
pub fn building_statistics(name: &QualifiedName) -> QualifiedName {
    name.sibling(building(&("statistics", name)))
}

/// The names of a replacement's indexes while it is built, each with the index.
#[must_use]
pub fn building_indexes(view: &Matview) -> Vec<(Ident, &crate::kinds::index::Index)> {
    view.indexes.iter().map(|index| (of_index::building_name(index), index)).collect()
}
