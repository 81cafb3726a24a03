//! Reads a live database: connects, takes one snapshot of the catalogs, and has the server bring declared SQL into
//! its canonical form. Executes no DDL, but for temporary objects that it rolls back. What the facts mean is left
//! to `core`.

pub mod catalog;
pub mod connect;
pub mod details;
pub mod duplicates;
pub mod error;
pub mod explain;
mod held;
pub mod matview;
pub mod planner;
pub mod probe;
mod rehearsal;
pub mod resolve;
pub mod retention;
pub mod server;
pub mod session;
pub mod settings;
pub mod snapshot;

pub use connect::Target;
pub use error::LiveError;
pub use session::Session;

use crate::server::Server;

use reconcile_core::{
    desired::Desired,
    kinds::index::canonical::{self, Canonical},
    live::Live,
    postgres::name::Ident,
    problem::Problem,
    scope::Bounds,
};

/// What reading a database needs to know of the project.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The schema of registry and history.
    pub registry_schema: Ident,
    /// For names without a schema inside declared expressions.
    pub search_path: Vec<Ident>,
}

/// Both sides, ready to be compared.
#[derive(Debug)]
pub struct Picture {
    /// The live side.
    pub live: Live,
    /// What the declared definitions mean on this server.
    pub canonical: Canonical,
    /// Mistakes that the server found in declared SQL.
    pub problems: Vec<Problem>,
}

/// Reads everything that a plan for `desired` within `bounds` relies on. When nothing has changed since the last apply, this takes
/// three round trips: settings and snapshot, catalogs and registry, end.
///
/// # Errors
/// The connection fails, or a query of ours does.
pub async fn read(
    session: &mut Session,
    desired: &Desired,
    bounds: Bounds<'_>,
    options: &ReadOptions,
) -> Result<Picture, LiveError> {
    match read_all(session, desired, bounds, options).await {
        Ok(picture) => Ok(picture),
        Err(error) => Err(held::explained(session, error).await),
    }
}

async fn read_all(
    session: &mut Session,
    desired: &Desired,
    bounds: Bounds<'_>,
    options: &ReadOptions,
) -> Result<Picture, LiveError> {
    let facts = snapshot::begin(session, options, desired.relations.len()).await?;
    let (mut live, names) = catalog::read(session, desired, &facts, options).await?;
    live.recorded = canonical::recorded(desired, &live);
    retention::read(session, desired, &mut live, options).await?;
    details::complete(session, desired, &mut live).await?;
    session.batch("COMMIT").await?;
    let server = Server { facts: &facts, names: &names, options };
    let mut problems = matview::print(session, desired, &mut live, &facts, options).await?;
    problems.extend(rehearsal::rehearse(session, desired, &mut live, bounds, &server).await?);
    let resolved = resolve::canonical(session, desired, &live, bounds, &server).await?;
    problems.extend(resolved.problems);
    problems.extend(retention::estimate_all(session, desired, &mut live, options).await?);
    Ok(Picture { live, canonical: resolved.canonical, problems })
}
