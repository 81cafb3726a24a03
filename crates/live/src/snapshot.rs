//! The first round trip: one snapshot, and who and where we are.

use std::collections::BTreeMap;

use reconcile_core::{
    kinds::schedule::catalog::Cron,
    live::DatabaseId,
    postgres::{name::QualifiedName, sql::Sql},
};
use sea_orm::sqlx::Row as _;

use crate::{LiveError, ReadOptions, Session, settings};

/// From this many relations on, hash joins over whole catalogs beat a probe for each relation.
const BULK_RELATIONS: usize = 500;

/// What the server said about itself and us.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by itself")]
pub struct ServerFacts {
    /// The database.
    pub database: DatabaseId,
    /// The role that we are.
    pub role: String,
    /// It cannot be written to: a standby, or read-only by its settings.
    pub read_only: bool,
    /// We may create temporary tables.
    pub temporary: bool,
    /// The registry's table exists.
    pub registry_exists: bool,
    /// We may read it.
    pub registry_readable: bool,
    /// Access methods for indexes.
    pub methods: Vec<String>,
    /// Tablespaces.
    pub tablespaces: Vec<String>,
    /// The database's default one.
    pub default_tablespace: String,
    /// The extension `pg_cron`, without its jobs.
    pub cron: Cron,
}

/// Opens the snapshot that everything is read in.
///
/// # Errors
/// The connection or the server fails.
pub async fn begin(session: &mut Session, options: &ReadOptions, relations: usize) -> Result<ServerFacts, LiveError> {
    let bulk = if relations >= BULK_RELATIONS { "off" } else { "on" };
    let registry = QualifiedName::new(
        options.registry_schema.clone(),
        reconcile_core::postgres::name::Ident::from_server("resource"),
    );
    let facts = Sql::new(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text, \
         current_user::text, pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool, \
         has_database_privilege(current_database(), 'TEMPORARY'), \
         ARRAY(SELECT amname::text FROM pg_am WHERE amtype = 'i' ORDER BY 1), \
         ARRAY(SELECT spcname::text FROM pg_tablespace ORDER BY 1), c.oid IS NOT NULL, \
         coalesce(has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'), false), \
         (SELECT s.spcname::text FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace \
         WHERE d.datname = current_database()), (SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'), \
         coalesce(has_schema_privilege(to_regnamespace('cron'), 'USAGE') \
         AND has_table_privilege(to_regclass('cron.job'), 'SELECT'), false), \
         coalesce(row_security_active(to_regclass('cron.job')), false), \
         coalesce(current_setting('cron.timezone', true), 'GMT') \
         FROM (VALUES (0)) one(row) LEFT JOIN pg_namespace n ON n.nspname = ",
    )
    .literal(registry.schema.as_str())
    .raw(" LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ")
    .literal(registry.name.as_str());
    let (first, local) = (settings::FIRST, settings::local());
    let batch = format!(
        "{first}BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {local}SET LOCAL enable_nestloop = {bulk}; {facts}"
    );
    let results = session.batch(&batch).await?;
    let Some(row) = results.last().and_then(|rows| rows.first()) else {
        return Err(LiveError::Connection("the server answered without a row".to_owned()));
    };
    Ok(ServerFacts {
        database: DatabaseId {
            system_identifier: row.try_get(0)?,
            name: row.try_get(1)?,
            server_version: session.server_version(),
        },
        role: row.try_get(2)?,
        read_only: row.try_get(3)?,
        temporary: row.try_get(4)?,
        methods: row.try_get(5)?,
        tablespaces: row.try_get(6)?,
        registry_exists: row.try_get(7)?,
        registry_readable: row.try_get(8)?,
        default_tablespace: row.try_get(9)?,
        cron: Cron {
            version: row.try_get(10)?,
            readable: row.try_get(11)?,
            own_only: row.try_get(12)?,
            timezone: row.try_get(13)?,
            jobs: BTreeMap::new(),
        },
    })
}
