//! Which declared materialized views are known to equal the live ones, and how the server interprets the others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Matview, Query, View, basis::Basis, catalog::Found};
use crate::{
    declared::Declared,
    digest::Digest,
    postgres::{
        lookup,
        name::{Ident, QualifiedName},
        relation::{Column, names},
        sql::Sql,
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

/// The same digest as the server computes it of a view that stands. Names are looked up nowhere then, so that it
/// prints them with their schemas.
#[must_use]
pub fn definition_made(name: &QualifiedName) -> Sql {
    let printed = Sql::new("btrim(pg_get_viewdef(to_regclass(").literal(&name.quoted()).raw(")), E' \\n;')");
    let json = Sql::new("convert_to(to_jsonb(").raw_sql(&printed).raw(")::text, 'UTF8')");
    Sql::new("'sha256:' || encode(sha256(").raw_sql(&json).raw("), 'hex')")
}

/// The live view that a declared one is known to equal. There are two ways to know: both queries are those that the
/// registry recorded when they were applied, and what they rely on is as it was then; or the declared query is the
/// server's own print, and reads as such.
#[must_use]
pub fn settled<'a>(declared: &Declared<Matview>, view: View<'a>, registry: &Registry) -> Option<&'a Found> {
    let found = view.live.found.get(&declared.object.name).filter(|found| found.is_matview())?;
    let settled = is_recorded(declared, found, view, registry) && stands(declared, view, registry)
        || is_printed(declared, found, view);
    // What it reads will be another view.
    (settled && !view.live.postponed.contains(&found.name)).then_some(found)
}

/// Whether both queries are those that the registry recorded when they were applied.
#[must_use]
pub fn is_recorded(declared: &Declared<Matview>, found: &Found, view: View<'_>, registry: &Registry) -> bool {
    let Some(recorded) = registry.managed.get(&declared.object.address()) else { return false };
    let applied = view.live.applied.get(&declared.object.name);
    applied.is_some_and(|applied| applied.query == declared.object.query)
        && recorded.definition == definition(&found.query())
}

/// Whether what the declared query relies on is as the registry recorded it. Older versions did not record it.
fn stands(declared: &Declared<Matview>, view: View<'_>, registry: &Registry) -> bool {
    let before = recorded_basis(declared, registry);
    before.is_some() && before.as_ref() == view.live.bases.get(&declared.object.name)
}

fn recorded_basis(declared: &Declared<Matview>, registry: &Registry) -> Option<Basis> {
    let recorded = registry.managed.get(&declared.object.address())?.basis.as_ref()?;
    // A basis of another form is that of another version: the server decides.
    Basis::deserialize(recorded).ok()
}

/// What the declared query relies on and has changed since it was applied, in words.
#[must_use]
pub fn moved(declared: &Declared<Matview>, view: View<'_>, registry: &Registry) -> Vec<String> {
    let (now, before) = (view.live.bases.get(&declared.object.name), recorded_basis(declared, registry));
    now.zip(before).map(|(now, before)| now.since(&before)).unwrap_or_default()
}

/// Whether the declared query is what the server printed, and every name in it means what it meant to the server.
fn is_printed(declared: &Declared<Matview>, found: &Found, view: View<'_>) -> bool {
    let clear = |shadowed: &BTreeSet<String>| {
        looked_up(&declared.object.query).is_some_and(|names| names.is_disjoint(shadowed))
    };
    is_text_of(&declared.object.query, found) && view.indexes.live.shadowed.as_ref().is_some_and(clear)
}

/// Whether a declared query is the server's print of a live one.
#[must_use]
pub fn is_text_of(declared: &Query, found: &Found) -> bool {
    Query::from_server(declared.as_str()) == found.query()
}

/// The names that a printed query leaves without a schema. `None`: they cannot be told.
fn looked_up(query: &Query) -> Option<BTreeSet<String>> {
    let mut names = lookup::names_in_query(query.as_str())?;
    names.extend(query.names().into_iter().filter(|name| name.schema.is_none()).map(|name| name.name.to_string()));
    Some(names)
}

/// The names in the declared queries that only have to be looked up to see that they mean what is live.
#[must_use]
pub fn names_to_look_up(view: View<'_>, registry: &Registry) -> BTreeSet<String> {
    let open = view.desired.iter().filter(|declared| {
        let found = view.live.found.get(&declared.object.name).filter(|found| found.is_matview());
        found.is_some_and(|found| {
            let recorded = is_recorded(declared, found, view, registry) && stands(declared, view, registry);
            is_text_of(&declared.object.query, found) && !recorded
        })
    });
    open.filter_map(|declared| looked_up(&declared.object.query)).flatten().collect()
}

/// Whether the query of a declared view differs from that of the live view with its name.
#[must_use]
pub fn differs(declared: &Declared<Matview>, found: &Found, view: View<'_>, registry: &Registry) -> bool {
    let printed = view.live.printed.get(&declared.object.name);
    let same = match printed {
        Some(printed) => printed.query == found.query(),
        // Nothing says that the text means something else than when it was applied.
        None => view.live.unasked && is_recorded(declared, found, view, registry),
    };
    settled(declared, view, registry).is_none() && !same
}

/// The declared views that only the server can compare.
#[must_use]
pub fn unsettled<'a>(view: View<'a>, registry: &Registry) -> Vec<&'a Declared<Matview>> {
    view.desired.iter().filter(|declared| settled(declared, view, registry).is_none()).collect()
}
