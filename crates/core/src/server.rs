//! What a server says about itself and about this role, and the names that exist on it; it is the same for all kinds.

use serde::{Deserialize, Serialize};

use crate::{
    change::SessionSettings,
    postgres::{
        batch::{Ask, Batch, SETTINGS},
        name::{Ident, QualifiedName},
        sql::Sql,
    },
    problem::Problem,
    source::Source,
};

/// The tablespace that takes no objects of one database.
const SHARED_TABLESPACE: &str = "pg_global";

/// From this number of relations on, hash joins over whole catalogs are faster than a lookup for each relation.
const BULK_RELATIONS: usize = 500;

/// The server parses all statements of a batch before it runs any of them, so this setting cannot be in the batch that
/// needs it. Poolers know the setting, and keep the value of each client (pgbouncer's `track_extra_parameters`).
pub const FIRST: &str = "SET standard_conforming_strings = on";

/// Which database a plan belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseId {
    /// The identifier from `pg_control_system()`: initdb creates it, standbys share it.
    pub system_identifier: String,
    /// The name of the database in that cluster.
    pub name: String,
    /// `server_version_num`, such as 150018.
    pub server_version: u32,
}

/// Names that exist in the database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Relations that can have indexes, outside the system schemas. They are read only if a declared relation is
    /// missing.
    pub relations: Vec<String>,
    /// Access methods for indexes.
    pub methods: Vec<String>,
    /// Tablespaces.
    pub tablespaces: Vec<String>,
    /// The tablespace for objects that name none.
    pub default_tablespace: String,
}

impl Vocabulary {
    /// The mistake, if nothing of a database can be stored in a tablespace. `at` is where it is declared.
    #[must_use]
    pub fn refuses_tablespace(&self, name: &Ident, at: &Source) -> Option<Problem> {
        let known = self.tablespaces.iter().map(String::as_str);
        if name.as_str() == SHARED_TABLESPACE {
            return Some(Problem::new(
                at,
                format!("`{name}` is the tablespace of the catalogs that all databases share"),
            ));
        }
        if known.clone().any(|known| known == name.as_str()) {
            return None;
        }
        Some(Problem::new(at, format!("this server has no tablespace `{name}`")).did_you_mean(name.as_str(), known))
    }
}

/// What the server said about itself and about this role.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by itself")]
pub struct ServerFacts {
    /// The database.
    pub database: DatabaseId,
    /// The names that exist in it.
    pub vocabulary: Vocabulary,
    /// It refuses writes: it is a standby, or its settings make it read-only.
    pub read_only: bool,
    /// Whether this role may create temporary tables.
    pub temporary: bool,
    /// Whether the registry's table exists.
    pub registry_exists: bool,
    /// Whether this role may read it.
    pub registry_readable: bool,
}

/// The registry's table.
#[must_use]
pub fn registry_table(session: &SessionSettings) -> QualifiedName {
    QualifiedName::new(session.registry_schema.clone(), Ident::from_server("resource"))
}

/// Opens the snapshot for all reading, and asks for the facts about server and role. `relations` is the number of
/// relations to read.
///
/// # Errors
/// The connection or the server fails.
pub async fn begin<S: Ask>(
    server: &mut S,
    session: &SessionSettings,
    relations: usize,
) -> Result<ServerFacts, S::Error> {
    let registry = registry_table(session);
    let facts = Sql::new(
        "SELECT (SELECT system_identifier FROM pg_control_system()), current_database(), \
         pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool, \
         has_database_privilege(current_database(), 'TEMPORARY'), \
         array_to_json(ARRAY(SELECT amname FROM pg_am WHERE amtype = 'i' ORDER BY 1)), \
         array_to_json(ARRAY(SELECT spcname FROM pg_tablespace ORDER BY 1)), c.oid IS NOT NULL, \
         coalesce(has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'), false), \
         (SELECT s.spcname FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace \
         WHERE d.datname = current_database()) \
         FROM (VALUES (0)) one(row) LEFT JOIN pg_namespace n ON n.nspname = ",
    )
    .literal(registry.schema.as_str())
    .raw(" LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ")
    .literal(registry.name.as_str());
    let mut batch = Batch::default();
    batch.run(FIRST);
    batch.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for setting in SETTINGS {
        batch.run(format!("SET LOCAL {setting}"));
    }
    batch.run(format!("SET LOCAL enable_nestloop = {}", if relations >= BULK_RELATIONS { "off" } else { "on" }));
    let asked = batch.ask(facts);
    let rows = server.send(&batch).await?.take(asked)?;
    let row = rows.one()?;
    let server_version = server.server_version();
    Ok(ServerFacts {
        database: DatabaseId { system_identifier: row.get(0)?, name: row.get(1)?, server_version },
        vocabulary: Vocabulary {
            relations: Vec::new(),
            methods: row.json(4)?,
            tablespaces: row.json(5)?,
            default_tablespace: row.get(8)?,
        },
        read_only: row.get(2)?,
        temporary: row.get(3)?,
        registry_exists: row.get(6)?,
        registry_readable: row.get(7)?,
    })
}
