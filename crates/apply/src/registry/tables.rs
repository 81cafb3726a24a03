//! The tables of registry and history. The first apply creates them, later ones bring them up to date, and `destroy`
//! drops them.

use std::time::Duration;

use reconcile_core::{kinds, postgres::sql::Sql};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    DbBackend, EntityTrait, Schema,
    sea_query::{Alias, ColumnDef, PostgresQueryBuilder, Query, Table},
    sqlx::Row as _,
};

use super::{Registry, archive_file, refresh_run, resource, retention_run, run, step};

/// The layout that this program writes.
const VERSION: i32 = 5;

/// Why registry and history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The connection or the server failed.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A newer version of the program has changed the layout.
    #[error("the registry has layout {found}, and this program knows {VERSION}: a newer version has changed it")]
    Newer {
        /// The layout in the database.
        found: i32,
    },
}

/// Which of the tables exist.
pub(super) struct Present {
    schema: bool,
    tables: bool,
    pub(super) version: Option<i32>,
}

impl Registry {
    /// Creates what is missing, and brings an older layout up to date, all in one transaction.
    ///
    /// # Errors
    /// The role may not create them, the layout is a newer one, or the connection fails.
    pub async fn ensure(&self, session: &mut Session) -> Result<(), RegistryError> {
        let present = self.present(session).await?;
        let statements = match (present.tables, present.version) {
            (_, Some(found)) if found > VERSION => return Err(RegistryError::Newer { found }),
            (true, Some(VERSION)) => return Ok(()),
            (true, version) => self.upgrade(version),
            (false, _) => self.create(&present),
        };
        // `IF NOT EXISTS` would need the privilege to create even if there is nothing to create.
        session.batch(&format!("BEGIN; {}; COMMIT", statements.join("; "))).await?;
        Ok(())
    }

    /// Drops the schema with all its tables and routines, for `destroy`. It is an error if the schema has other
    /// objects.
    ///
    /// # Errors
    /// The schema has other objects, another session uses it for longer than `lock_timeout`, the role may not drop it,
    /// or the connection fails.
    pub async fn remove(&self, session: &mut Session, lock_timeout: Duration) -> Result<(), LiveError> {
        if !self.present(session).await?.schema {
            return Ok(());
        }
        let mut drop = Table::drop();
        for name in ["archive_file", "refresh_run", "retention_run", "step", "run", "resource", "layout"] {
            drop.table(self.table(name));
        }
        let schema = Sql::new("DROP SCHEMA ").ident(&self.schema);
        let drop = drop.if_exists().to_string(PostgresQueryBuilder);
        let routines = self.routines(session).await?;
        let limit = format!("SET LOCAL lock_timeout = {}", lock_timeout.as_millis());
        let result = session.batch(&format!("BEGIN; {limit}; {routines}{drop}; {schema}; COMMIT")).await;
        if result.is_err() {
            // A broken connection rolls back by itself.
            let _ = session.batch("ROLLBACK").await;
        }
        result.map(|_| ())
    }

    /// Whether there is a history to read.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn exists(&self, session: &mut Session) -> Result<bool, LiveError> {
        Ok(self.names(session).await?.1)
    }

    /// The statements that drop reconcile's routines: those that rules share, and those that forgotten rules left.
    async fn routines(&self, session: &mut Session) -> Result<String, LiveError> {
        let shared = Sql::default().list(kinds::shared_routines(), ", ", Sql::literal);
        let ours = Sql::new(
            "SELECT coalesce(string_agg('DROP ROUTINE ' || p.oid::regprocedure || '; ', ''), '') FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ",
        )
        .literal(self.schema.as_str())
        .raw(" AND (p.proname ~ '^(retain|preview|refresh):' OR p.proname IN (")
        .raw_sql(&shared)
        .raw("))");
        Ok(session.row(ours.as_str()).await?.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
    }

    pub(super) async fn present(&self, session: &mut Session) -> Result<Present, LiveError> {
        let (schema, tables, versioned) = self.names(session).await?;
        let version = if versioned {
            let mut read = Query::select();
            let sql = read.column(Alias::new("version")).from(self.table("layout")).to_string(PostgresQueryBuilder);
            session.row(&sql).await?.map(|row| row.try_get(0)).transpose()?
        } else {
            None
        };
        Ok(Present { schema, tables, version })
    }

    /// Whether the schema, the registry and the table of the layout exist, from the catalogs. Every role may read
    /// those.
    async fn names(&self, session: &mut Session) -> Result<(bool, bool, bool), LiveError> {
        let named = |name: &'static str| {
            Sql::new("EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ")
                .literal(self.schema.as_str())
                .raw(" AND c.relname = ")
                .literal(name)
                .raw(")")
        };
        let schema =
            Sql::new("EXISTS (SELECT FROM pg_namespace WHERE nspname = ").literal(self.schema.as_str()).raw(")");
        let sql = format!("SELECT {schema}, {}, {}", named("resource"), named("layout"));
        let Some(row) = session.row(&sql).await? else {
            return Err(LiveError::Connection("the server returned no row for a query on its catalogs".to_owned()));
        };
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    }

    fn create(&self, present: &Present) -> Vec<String> {
        let first = Sql::new("CREATE SCHEMA ").ident(&self.schema).to_string();
        let mut statements: Vec<_> = if present.schema { Vec::new() } else { vec![first] };
        statements.extend([
            self.create_table(run::Entity, "run"),
            self.create_table(step::Entity, "step"),
            self.create_table(resource::Entity, "resource"),
            self.create_table(retention_run::Entity, "retention_run"),
            self.create_table(archive_file::Entity, "archive_file"),
            self.create_table(refresh_run::Entity, "refresh_run"),
            // The managed objects are as public as the catalogs that show them, and the role that plans must see them.
            Sql::new("GRANT USAGE ON SCHEMA ").ident(&self.schema).raw(" TO PUBLIC").to_string(),
            Sql::new("GRANT SELECT ON ").ident(&self.schema).raw(".resource TO PUBLIC").to_string(),
        ]);
        statements.extend(self.shared());
        statements.extend(self.versioned());
        statements
    }

    /// The statement that creates the table of an entity.
    fn create_table<E: EntityTrait>(&self, entity: E, name: &'static str) -> String {
        let mut create = Schema::new(DbBackend::Postgres).create_table_from_entity(entity);
        create.table(self.table(name)).to_string(PostgresQueryBuilder)
    }

    /// The statements that bring an older layout up to date. Layout 1, which had no number, lacks command and user of a
    /// run, and the records of retention rules. Layout 2 lacks the files of archives, the records of refreshes, and the
    /// backlog of a run. All of them lack the OIDs of the managed objects and the basis of their meaning, and need the
    /// present shared routines.
    fn upgrade(&self, version: Option<i32>) -> Vec<String> {
        let mut statements = Vec::new();
        if version.is_none() {
            let mut alter = Table::alter();
            alter
                .table(self.table("run"))
                .add_column(ColumnDef::new(Alias::new("command")).text().not_null().default("apply"))
                .add_column(ColumnDef::new(Alias::new("reverts")).big_integer())
                .add_column(ColumnDef::new(Alias::new("operator")).text());
            statements.extend([
                alter.to_string(PostgresQueryBuilder),
                self.create_table(retention_run::Entity, "retention_run"),
            ]);
        }
        if version == Some(2) {
            let mut alter = Table::alter();
            alter.table(self.table("retention_run")).add_column(ColumnDef::new(Alias::new("backlog")).big_integer());
            statements.push(alter.to_string(PostgresQueryBuilder));
        }
        if version.is_none_or(|version| version < 3) {
            statements.extend([
                self.create_table(archive_file::Entity, "archive_file"),
                self.create_table(refresh_run::Entity, "refresh_run"),
            ]);
        } else {
            // The new procedures have other arguments, so they would not replace the old ones.
            statements.extend(
                [".retention_walk", ".retention_batch"]
                    .map(|name| Sql::new("DROP PROCEDURE IF EXISTS ").ident(&self.schema).raw(name).to_string()),
            );
        }
        let mut alter = Table::alter();
        alter
            .table(self.table("resource"))
            .add_column(ColumnDef::new(Alias::new("object")).big_integer())
            .add_column(ColumnDef::new(Alias::new("basis")).json_binary());
        statements.push(alter.to_string(PostgresQueryBuilder));
        statements.extend(self.shared());
        match version {
            Some(_) => {
                let mut update = Query::update();
                update.table(self.table("layout")).value(Alias::new("version"), VERSION);
                statements.push(update.to_string(PostgresQueryBuilder));
            }
            None => statements.extend(self.versioned()),
        }
        statements
    }

    /// The routines that rules and chains of views share in the database.
    fn shared(&self) -> impl Iterator<Item = String> {
        kinds::make_shared_routines(&self.schema).into_iter().map(|sql| sql.to_string())
    }

    /// Records the number of the layout, which every role may read.
    fn versioned(&self) -> [String; 3] {
        let mut create = Table::create();
        create
            .table(self.table("layout"))
            .col(ColumnDef::new(Alias::new("version")).integer().not_null().primary_key());
        let mut insert = Query::insert();
        insert.into_table(self.table("layout")).columns([Alias::new("version")]).values_panic([VERSION.into()]);
        let grant = Sql::new("GRANT SELECT ON ").ident(&self.schema).raw(".layout TO PUBLIC");
        [create.to_string(PostgresQueryBuilder), insert.to_string(PostgresQueryBuilder), grant.to_string()]
    }
}
