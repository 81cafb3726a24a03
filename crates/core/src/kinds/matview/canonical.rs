//! Which declared materialized views are known to be what is live, and what the server made of the others.

use super::{Query, catalog::Found, dependents::TypedColumn};
use crate::{
    desired::{DeclaredMatview, Desired},
    digest::Digest,
    live::Live,
    postgres::name::Ident,
};

/// Decision the server makes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// In its own words; the live one's, where both mean the same. Of a copy that reads copies, these under the names that
    /// views are built under.
    pub query: Query,
    /// The columns that come of it.
    pub columns: Vec<TypedColumn>,
    /// Functions that it calls and that look names up along a search path that they do not set, as `schema.name(types)`.
    pub exposed: Vec<String>,
}

impl Printed {
    /// The names of its columns.
    #[must_use]
    pub fn column_names(&self) -> Vec<Ident> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// The digest of a definition that the registry keeps.
#[must_use]
pub fn definition(query: &Query) -> Digest {
    Digest::of(&query.as_str())
}

/// The live view that a declared one is known to equal: both are what the registry recorded when they were applied.
#[must_use]
pub fn settled<'a>(declared: &DeclaredMatview, live: &'a Live) -> Option<&'a Found> {
    let found = live.matviews.found.get(&declared.view.name).filter(|found| found.is_matview())?;
    let recorded = live.registry.managed.get(&declared.view.address())?;
    let same = recorded.declared == declared.digest && recorded.definition == definition(&found.query());
    same.then_some(found)
}

/// Whether the query of a declared view is another one than that of the live one under its name.
#[must_use]
pub fn differs(declared: &DeclaredMatview, found: &Found, live: &Live) -> bool {
    let printed = live.matviews.printed.get(&declared.view.name);
    settled(declared, live).is_none() && printed.is_none_or(|printed| printed.query != found.query())
}

/// The declared views that only the server can judge.
#[must_use]
pub fn unsettled<'a>(desired: &'a Desired, live: &Live) -> Vec<&'a DeclaredMatview> {
    desired.matviews.iter().filter(|declared| settled(declared, live).is_none()).collect()
}
