//! Reads relations, indexes and the registry in one round trip, with the queries of `core/kinds/index/catalog.sql`.

use std::collections::{BTreeMap, HashMap};

use reconcile_core::{
    address::Address,
    desired::Desired,
    digest::Digest,
    kinds::{
        Object,
        index::{
            PathName,
            catalog::{self, CATALOG_SQL, Column, Columns, IndexRow, NAMES_FROM, Names, OpClass},
        },
        matview::{Matview, catalog::Views},
        retention::Rule,
        schedule::Schedule,
    },
    live::{Live, LiveIndex, Managed, Registry, Relation, RelationKind, Retention, Vocabulary},
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};
use sea_orm::sqlx::{self, Row as _, postgres::PgRow, postgres::types::Oid};

use crate::{LiveError, ReadOptions, Session, matview, session::Rows, snapshot::ServerFacts};

/// `server_version_num` of the first server with `pg_index.indnullsnotdistinct`.
const NULLS_NOT_DISTINCT_SINCE: u32 = 150_000;

/// Reads what is declared or managed, with the partitions below it and everything that indexes it.
///
/// # Errors
/// The connection or a query fails.
pub async fn read(
    session: &mut Session,
    desired: &Desired,
    facts: &ServerFacts,
    options: &ReadOptions,
) -> Result<(Live, Names), LiveError> {
    let readable = facts.registry_exists && facts.registry_readable;
    let registry =
        readable.then(|| QualifiedName::new(options.registry_schema.clone(), Ident::from_server("resource")));
    let asked = asked(desired.relations.iter().map(|relation| &relation.name), registry.as_ref());
    let mut batch = String::new();
    if let Some(registry) = &registry {
        let sql = Sql::new(
            "SELECT address, declared, definition, \
             CASE WHEN address LIKE ANY ('{matview/%,retention/%,schedule/%}') THEN declaration END FROM ",
        )
        .name(registry);
        batch = format!("{sql}; ");
    }
    let (of_views, of_roles) = (matview::statement(desired, registry.as_ref()), matview::of_roles(desired));
    batch.extend(of_views.as_deref().into_iter().chain(of_roles).flat_map(|sql| [sql, "; "]));
    batch.push_str(&statements(&asked, session.server_version()));
    let mut results = session.batch(&batch).await?.into_iter();
    let entries = if readable { results.next().unwrap_or_default() } else { Rows::new() };
    let found = if of_views.is_some() { results.next().unwrap_or_default() } else { Rows::new() };
    let roles = if of_roles.is_some() { results.next().unwrap_or_default() } else { Rows::new() };
    let (managed, declared) = (managed(&entries)?, declarations(&entries)?);
    let (relation_rows, index_rows) = (results.next().unwrap_or_default(), results.next().unwrap_or_default());
    let names = names(&results.next().unwrap_or_default(), &results.next().unwrap_or_default())?;
    let relations = relations(&relation_rows, index_rows, &names)?;
    let live = Live {
        database: facts.database.clone(),
        relations,
        registry: Registry {
            exists: facts.registry_exists,
            unreadable: facts.registry_exists && !readable,
            managed,
            matviews: declared.matviews,
            rules: declared.rules,
            schedules: declared.schedules,
        },
        taken: HashMap::new(),
        vocabulary: Vocabulary {
            methods: facts.methods.clone(),
            tablespaces: facts.tablespaces.clone(),
            default_tablespace: facts.default_tablespace.clone(),
            ..Vocabulary::default()
        },
        recorded: std::collections::HashSet::new(),
        matviews: Views { found: matview::decoded(&found)?, roles: matview::roles(&roles)?, ..Views::default() },
        retention: Retention::default(),
        cron: facts.cron.clone(),
    };
    Ok((live, names))
}

/// Every relation of some schemas that can carry indexes, for `import`.
///
/// # Errors
/// The connection or a query fails.
pub async fn read_all(
    session: &mut Session,
    selection: &Selection,
) -> Result<HashMap<QualifiedName, Relation>, LiveError> {
    let sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname <> ",
    )
    .literal(selection.registry_schema.as_str())
    .raw(
        " AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass \
         AND e.objid = c.oid AND e.deptype = 'e')",
    );
    let sql = if selection.schemas.is_empty() {
        sql
    } else {
        sql.raw(" AND n.nspname IN (").list(&selection.schemas, ", ", |sql, name| sql.literal(name.as_str())).raw(")")
    };
    let sql = if selection.relations.is_empty() {
        sql
    } else {
        sql.raw(" AND (n.nspname, c.relname) IN (").list(&selection.relations, ", ", Sql::name_literals).raw(")")
    };
    let batch = statements(sql.as_str(), session.server_version());
    let mut results = session.batch(&batch).await?.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let (relation_rows, index_rows) = (next(), next());
    relations(&relation_rows, index_rows, &names(&next(), &next())?)
}

/// Which relations `import` asks for.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Left out: reconcile's own.
    pub registry_schema: Ident,
    /// Only these schemas, unless empty.
    pub schemas: Vec<Ident>,
    /// Only these relations, unless empty.
    pub relations: Vec<QualifiedName>,
}

/// The statements of `catalog.sql` for rows of (schema, name).
pub(crate) fn statements(asked: &str, server_version: u32) -> String {
    prepared(CATALOG_SQL, asked, server_version)
}

/// Those of the statements that read relations and indexes, for who knows the names already.
pub(crate) fn statements_without_names(asked: &str, server_version: u32) -> String {
    let end = CATALOG_SQL.find(NAMES_FROM).unwrap_or(CATALOG_SQL.len());
    prepared(CATALOG_SQL[..end].trim_end().trim_end_matches(';'), asked, server_version)
}

/// Fills the gaps and leaves out the comments, which are for our readers and not for the server's log.
fn prepared(sql: &str, asked: &str, server_version: u32) -> String {
    let lines: Vec<_> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let sql = lines.join("\n").replace("/*asked*/", asked);
    if server_version >= NULLS_NOT_DISTINCT_SINCE {
        sql.replace("false /*indnullsnotdistinct*/", "i.indnullsnotdistinct")
    } else {
        sql
    }
}

/// The relations to read, as a query of (schema, name).
pub(crate) fn asked<'a>(names: impl Iterator<Item = &'a QualifiedName>, registry: Option<&QualifiedName>) -> String {
    // The first row gives the columns their type and matches nothing.
    let sql =
        Sql::new("VALUES (''::name, ''::name), ").list(names.map(Some).chain([None]), ", ", |sql, name| match name {
            Some(name) => sql.name_literals(name),
            None => sql.raw("('', '')"),
        });
    match registry {
        Some(registry) => {
            sql.raw(" UNION SELECT relation_schema::name, relation_name::name FROM ").name(registry).as_str().to_owned()
        }
        None => sql.as_str().to_owned(),
    }
}

/// What was declared as the registry has it, of kinds that the database itself does not hold whole.
#[derive(Default)]
struct Declarations {
    matviews: BTreeMap<QualifiedName, Matview>,
    rules: BTreeMap<QualifiedName, Rule>,
    schedules: BTreeMap<Address, Schedule>,
}

fn declarations(rows: &Rows) -> Result<Declarations, LiveError> {
    let mut all = Declarations::default();
    for row in rows {
        let Some(json) = row.try_get::<Option<serde_json::Value>, _>(3)? else { continue };
        let object: Object = serde_json::from_value(json).map_err(|error| {
            LiveError::Connection(format!("an entry of the registry was written by another version: {error}"))
        })?;
        match object {
            Object::Retention(rule) => {
                all.rules.insert(rule.table.clone(), *rule);
            }
            Object::Matview(view) => {
                all.matviews.insert(view.name.clone(), *view);
            }
            Object::Schedule(schedule) => {
                all.schedules.insert(schedule.address(), *schedule);
            }
            Object::Index(_) => {}
        }
    }
    Ok(all)
}

fn managed(rows: &[PgRow]) -> Result<BTreeMap<Address, Managed>, LiveError> {
    rows.iter()
        .map(|row| {
            let address: &str = row.try_get(0)?;
            let address = address
                .parse()
                .map_err(|error| LiveError::Connection(format!("the registry holds what is no address: {error}")))?;
            let managed =
                Managed { declared: Digest::stored(row.try_get(1)?), definition: Digest::stored(row.try_get(2)?) };
            Ok((address, managed))
        })
        .collect()
}

/// Puts the rows of relations and indexes together.
///
/// # Errors
/// The rows are not what `catalog.sql` promises.
pub(crate) fn relations(
    relation_rows: &Rows,
    index_rows: Rows,
    names: &Names,
) -> Result<HashMap<QualifiedName, Relation>, LiveError> {
    let mut relations = HashMap::with_capacity(relation_rows.len());
    let mut by_oid = HashMap::with_capacity(relation_rows.len());
    for row in relation_rows {
        let (oid, parent, relation, columns) = relation(row)?;
        by_oid.insert(oid, (relation.name.clone(), parent, columns));
        relations.insert(relation.name.clone(), relation);
    }
    for row in index_rows {
        let row = index_row(&row)?;
        let Some((table, _, columns)) = by_oid.get(&row.table_oid) else { continue };
        let live: LiveIndex = catalog::decode(row, table, columns, names);
        if let Some(relation) = relations.get_mut(table) {
            relation.indexes.insert(live.index.name.clone(), live);
        }
    }
    connect_partitions(&mut relations, &by_oid);
    Ok(relations)
}

fn relation(row: &PgRow) -> Result<(u32, Option<u32>, Relation, Columns), sqlx::Error> {
    let oid: Oid = row.try_get(0)?;
    let kind = match row.try_get::<&str, _>(3)? {
        "p" => RelationKind::Partitioned,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        _ => RelationKind::Table,
    };
    let numbers: Vec<i16> = row.try_get::<Option<_>, _>(5)?.unwrap_or_default();
    let names: Vec<String> = row.try_get::<Option<_>, _>(6)?.unwrap_or_default();
    let types: Vec<Oid> = row.try_get::<Option<_>, _>(7)?.unwrap_or_default();
    let collations: Vec<Oid> = row.try_get::<Option<_>, _>(8)?.unwrap_or_default();
    let columns: Columns = numbers
        .into_iter()
        .zip(names.iter().zip(types.iter().zip(collations)))
        .map(|(number, (name, (type_oid, collation)))| {
            (number, Column { name: Ident::from_server(name), type_oid: type_oid.0, collation: collation.0 })
        })
        .collect();
    let key: Vec<i16> = row.try_get::<Option<_>, _>(11)?.map(vector).unwrap_or_default();
    let rows: f64 = row.try_get(10)?;
    let schema: &str = row.try_get(1)?;
    let relation = Relation {
        name: QualifiedName::new(Ident::from_server(schema), Ident::from_server(row.try_get(2)?)),
        oid: oid.0,
        kind,
        parent: None,
        partitions: Vec::new(),
        partition_key: key.iter().map(|number| columns.get(number).map(|column| column.name.clone())).collect(),
        columns: Vec::new(),
        indexes: BTreeMap::new(),
        bytes: u64::try_from(row.try_get::<i64, _>(9)?).unwrap_or(0),
        rows: estimate(rows),
    };
    Ok((oid.0, row.try_get::<Option<Oid>, _>(4)?.map(|oid| oid.0), relation, columns))
}

/// `pg_class.reltuples`, which is -1 where nothing was analysed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and an estimate anyway")]
fn estimate(rows: f64) -> Option<u64> {
    (rows >= 0.0).then_some(rows as u64)
}

fn index_row(row: &PgRow) -> Result<IndexRow, sqlx::Error> {
    let oid = |oid: Oid| oid.0;
    let oids = |oids: Vec<Oid>| oids.into_iter().map(oid).collect::<Vec<_>>();
    let keys: i32 = row.try_get(10)?;
    Ok(IndexRow {
        oid: oid(row.try_get(0)?),
        table_oid: oid(row.try_get(1)?),
        name: row.try_get(2)?,
        method: row.try_get(3)?,
        unique: row.try_get(4)?,
        nulls_not_distinct: row.try_get(5)?,
        valid: row.try_get(6)?,
        builder: row.try_get(7)?,
        replica_identity: row.try_get(8)?,
        clustered: row.try_get(9)?,
        keys: usize::try_from(keys).unwrap_or(0),
        columns: vector(row.try_get(11)?),
        opclasses: vector(row.try_get(12)?),
        collations: vector(row.try_get(13)?),
        options: vector(row.try_get(14)?),
        expressions: row.try_get::<Option<_>, _>(15)?.unwrap_or_default(),
        expression_types: oids(row.try_get::<Option<_>, _>(16)?.unwrap_or_default()),
        predicate: row.try_get(17)?,
        parameters: row.try_get::<Option<_>, _>(18)?.unwrap_or_default(),
        opclass_parameters: row.try_get::<Option<_>, _>(19)?.unwrap_or_default(),
        tablespace: row.try_get(20)?,
        comment: row.try_get(21)?,
        constraint: row.try_get(22)?,
        needed_by: row.try_get::<Option<_>, _>(23)?.unwrap_or_default(),
        attached_to: row.try_get::<Option<Oid>, _>(24)?.map(oid),
        statistics: row.try_get::<Option<_>, _>(25)?.unwrap_or_default(),
    })
}

/// An `int2vector` or `oidvector`, which print as numbers with spaces between.
fn vector<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn names(opclasses: &[PgRow], collations: &[PgRow]) -> Result<Names, sqlx::Error> {
    let mut names = Names::default();
    for row in opclasses {
        let class = OpClass {
            name: path_name(row.try_get(1)?, row.try_get(2)?),
            method: row.try_get(3)?,
            input_type: row.try_get::<Oid, _>(4)?.0,
            default: row.try_get(5)?,
            stores_other: row.try_get(6)?,
        };
        names.add_opclass(row.try_get::<Oid, _>(0)?.0, class);
    }
    for row in collations {
        names.collations.insert(row.try_get::<Oid, _>(0)?.0, path_name(row.try_get(1)?, row.try_get(2)?));
    }
    Ok(names)
}

fn path_name(schema: &str, name: &str) -> PathName {
    let schema = (schema != "pg_catalog").then(|| Ident::from_server(schema));
    PathName { schema, name: Ident::from_server(name) }
}

/// Tells parents and partitions of each other.
fn connect_partitions(
    relations: &mut HashMap<QualifiedName, Relation>,
    by_oid: &HashMap<u32, (QualifiedName, Option<u32>, Columns)>,
) {
    let mut pairs: Vec<_> = by_oid
        .values()
        .filter_map(|(child, parent, _)| Some((by_oid.get(&(*parent)?)?.0.clone(), child.clone())))
        .collect();
    pairs.sort();
    for (parent, child) in &pairs {
        if let Some(relation) = relations.get_mut(child) {
            relation.parent = Some(parent.clone());
        }
        if let Some(relation) = relations.get_mut(parent) {
            relation.partitions.push(child.clone());
        }
    }
    add_up_partitions(relations);
}

/// Gives partitioned tables the sizes of their partitions together.
pub(crate) fn add_up_partitions(relations: &mut HashMap<QualifiedName, Relation>) {
    let roots: Vec<_> = relations.values().filter(|r| r.is_partitioned() && r.parent.is_none()).collect();
    let roots: Vec<_> = roots.into_iter().map(|relation| relation.name.clone()).collect();
    for root in roots {
        add_up(relations, &root);
    }
}

fn add_up(relations: &mut HashMap<QualifiedName, Relation>, name: &QualifiedName) -> (u64, Option<u64>) {
    let Some(relation) = relations.get(name) else { return (0, None) };
    if !relation.is_partitioned() {
        return (relation.bytes, relation.rows);
    }
    let partitions = relation.partitions.clone();
    let (mut bytes, mut rows) = (0, None);
    for partition in &partitions {
        let (part_bytes, part_rows) = add_up(relations, partition);
        bytes += part_bytes;
        rows = part_rows.map(|part| part + rows.unwrap_or(0)).or(rows);
    }
    if let Some(relation) = relations.get_mut(name) {
        relation.bytes = bytes;
        relation.rows = rows;
    }
    (bytes, rows)
}
