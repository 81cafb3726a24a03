//! Which declared materialized views are known to equal the live ones, and how the server interprets the others.

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

/// The server's interpretation of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// The query as the server prints it; the live query, if both mean the same. The copy of a view that reads other
    /// copies names these as their originals are named while they are built.
    pub query: Query,
    /// The columns of its result.
    pub columns: Vec<Column>,
    /// Functions that it calls and that look names up along a search path that they do not set, as
    /// `schema.name(types)`.
    pub exposed: Vec<String>,
}

impl Printed {
    /// The names of its columns.
    #[must_use]
    pub fn column_names(&self) -> Vec<Ident> {
        names(&self.columns)
    }
}

/// The digest of a definition, as the registry keeps it.
#[must_use]
pub fn definition(query: &Query) -> Digest {
    Digest::of(&query.as_str())
}

/// The live view that a declared one is known to equal: the registry recorded both when they were applied.
#[must_use]
pub fn settled<'a>(declared: &Declared<Matview>, view: View<'a>, registry: &Registry) -> Option<&'a Found> {
    let found = view.live.found.get(&declared.object.name).filter(|found| found.is_matview())?;
    let recorded = registry.managed.get(&declared.object.address())?;
    let same = recorded.declared == declared.digest && recorded.definition == definition(&found.query());
    same.then_some(found)
}

/// Whether the query of a declared view differs from that of the live view with its name.
#[must_use]
pub fn differs(declared: &Declared<Matview>, found: &Found, view: View<'_>, registry: &Registry) -> bool {
    let printed = view.live.printed.get(&declared.object.name);
    settled(declared, view, registry).is_none() && printed.is_none_or(|printed| printed.query != found.query())
}

/// The declared views that only the server can compare.
#[must_use]
pub fn unsettled<'a>(view: View<'a>, registry: &Registry) -> Vec<&'a Declared<Matview>> {
    view.desired.iter().filter(|declared| settled(declared, view, registry).is_none()).collect()
}
