//! Which declared materialized views are known to be what is live, and what the server made of the others.

use serde::{Deserialize, Serialize};

use super::{Matview, Query, View, catalog::Found};
use crate::{
    declared::Declared,
    digest::Digest,
    postgres::{
        name::Ident,
        relation::{Column, names},
    },
    registry::Registry,
};

/// What the server makes of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// In its own words; the live one's, where both mean the same. Of a copy that reads copies, these under the names that
    /// views are built under.
    pub query: Query,
    /// The columns that come of it.
    pub columns: Vec<Column>,
    /// Functions that it calls and that look names up along a search path that they do not set, as `schema.name(types)`.
    pub exposed: Vec<String>,
}

impl Printed {
    /// The names of its columns.
    #[must_use]
    pub fn column_names(&self) -> Vec<Ident> {
        names(&self.columns)
    }
}

/// The digest of a definition that the registry keeps.
#[must_use]
pub fn definition(query: &Query) -> Digest {
    Digest::of(&query.as_str())
}

/// The live view that a declared one is known to equal: both are what the registry recorded when they were applied.
#[must_use]
pub fn settled<'a>(declared: &Declared<Matview>, view: View<'a>, registry: &Registry) -> Option<&'a Found> {
    let found = view.live.found.get(&declared.object.name).filter(|found| found.is_matview())?;
    let recorded = registry.managed.get(&declared.object.address())?;
    let same = recorded.declared == declared.digest && recorded.definition == definition(&found.query());
    same.then_some(found)
}

/// Whether the query of a declared view is another one than that of the live one under its name.
#[must_use]
pub fn differs(declared: &Declared<Matview>, found: &Found, view: View<'_>, registry: &Registry) -> bool {
    let printed = view.live.printed.get(&declared.object.name);
    settled(declared, view, registry).is_none() && printed.is_none_or(|printed| printed.query != found.query())
}

/// The declared views that only the server can judge.
#[must_use]
pub fn unsettled<'a>(view: View<'a>, registry: &Registry) -> Vec<&'a Declared<Matview>> {
    view.desired.iter().filter(|declared| settled(declared, view, registry).is_none()).collect()
}
