//! Reads the relations with the names of materialized views, and the roles that can have rights.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Live, Matview, Matviews,
    basis::{self, OfView},
    catalog::{self, Found, ROLES_SQL},
    names::is_building_name,
};
use crate::{
    declared::Declared,
    kind::Kind as _,
    postgres::{
        batch::{Answers, Ask, Asked, Batch, ask_about},
        name::{Ident, QualifiedName},
        rows::DecodeError,
        sql::Sql,
    },
    registry,
};

/// The queries that were asked.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    found: Option<Asked>,
    bases: Option<Asked>,
    roles: Option<Asked>,
}

/// Asks for the views of a project; asks nothing if it cannot have any.
pub fn ask(
    desired: &[Declared<Matview>],
    entries: Option<&QualifiedName>,
    search_path: &[Ident],
    batch: &mut Batch,
) -> Views {
    let any = !desired.is_empty() || entries.is_some();
    let names = desired.iter().map(|declared| &declared.object.name);
    let relations = registry::relations(names, entries, Some(&Matviews::NAME));
    let grants = desired.iter().any(|declared| declared.object.grants.is_some());
    let queries = desired.iter().map(|declared| (&declared.object.name, &declared.object.query));
    Views {
        bases: (!desired.is_empty()).then(|| batch.ask(basis::query(queries, search_path))),
        found: any.then(|| batch.ask(catalog::query(relations, true))),
        roles: grants.then(|| batch.ask(ROLES_SQL)),
    }
}

impl Live {
    /// Reads the relations from the answers.
    ///
    /// # Errors
    /// The rows do not have the form of the queries.
    pub fn read(asked: Views, answers: &mut Answers) -> Result<Self, DecodeError> {
        let found = asked.found.map(|found| answers.by_name(found)).transpose()?;
        let roles = asked.roles.map(|roles| answers.take(roles)?.one()?.json(0)).transpose()?;
        let bases = asked.bases.map(|bases| answers.by_name::<OfView>(bases)).transpose()?.unwrap_or_default();
        let bases = bases.into_iter().map(|(name, of_view)| (name, of_view.basis)).collect();
        Ok(Self { found: found.unwrap_or_default(), bases, roles: roles.unwrap_or_default(), ..Self::default() })
    }
}

/// Reads what stands under some names, but for queries and sizes; waits for nobody.
///
/// # Errors
/// The connection or the query fails.
pub async fn facts_of<S: Ask>(
    server: &mut S,
    names: &[&QualifiedName],
) -> Result<BTreeMap<QualifiedName, Found>, S::Error> {
    under(server, names, false).await
}

/// Reads the materialized views with some names, for `import`; without what interrupted runs left.
///
/// # Errors
/// The connection or the query fails.
pub async fn read_all<S: Ask>(server: &mut S, names: &[&QualifiedName]) -> Result<Vec<Found>, S::Error> {
    let found = under(server, names, true).await?.into_values();
    let meant: BTreeSet<_> = names.iter().copied().filter(|name| !is_building_name(name)).collect();
    Ok(found.filter(|found| found.is_matview() && meant.contains(&found.name)).collect())
}

async fn under<S: Ask>(
    server: &mut S,
    names: &[&QualifiedName],
    opened: bool,
) -> Result<BTreeMap<QualifiedName, Found>, S::Error> {
    let query = |names: &[&QualifiedName]| {
        let asked = Sql::new("VALUES ").list(names, ", ", |sql, name| sql.name_literals(name));
        catalog::query(asked, opened)
    };
    ask_about(server, names, query).await
}
