//! What is read only where something is not settled: columns by sea-schema's model, names that are taken, names to
//! suggest from. A plan without changes never comes here.

use std::collections::HashMap;

use reconcile_core::{
    desired::Desired,
    kinds::{
        index::{canonical, names::part_names},
        retention::decide as rules,
    },
    live::{Live, Relation, Taken},
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};
use sea_orm::sqlx::Row as _;
use sea_schema::postgres::{def::ColumnInfo, parser::parse_column_query_result, query::ColumnQueryResult};

use crate::{LiveError, Session, catalog, session::Rows};

/// Completes the picture in the same snapshot, in one round trip, or none.
///
/// # Errors
/// The connection or a query fails.
pub async fn complete(session: &mut Session, desired: &Desired, live: &mut Live) -> Result<(), LiveError> {
    let mut batch = Vec::new();
    let unsettled = canonical::unsettled(desired, live);
    let is_view = |name: &QualifiedName| desired.matview(name).is_some();
    let absent = || desired.relations.iter().filter(|relation| !live.relations.contains_key(&relation.name));
    let on_new_views = absent().filter(|relation| is_view(&relation.name));
    let on_new_views = on_new_views.flat_map(|view| view.indexes.iter().map(|declared| declared.index.relation()));
    let wanted: Vec<_> = unsettled
        .iter()
        .filter(|(declared, relation)| !relation.indexes.contains_key(&declared.index.name))
        .flat_map(|(declared, relation)| {
            let parts = part_names(&declared.index.name, relation, live);
            parts.into_iter().chain([declared.index.relation()])
        })
        .chain(on_new_views)
        .collect();
    let mut relations: Vec<_> = unsettled.iter().map(|(_, relation)| relation.name.clone()).collect();
    relations.dedup();
    if !wanted.is_empty() {
        batch.push(taken_sql(&wanted));
    }
    if !relations.is_empty() {
        batch.push(columns_sql(relations.iter().filter_map(|name| live.relations.get(name)).map(|r| r.oid)));
        batch.push(sizes_sql(relations.iter().flat_map(|name| tables(name, live)).map(|r| r.oid)));
    }
    let missing = |name: &QualifiedName| !live.retention.tables.contains_key(name);
    let of_rules = rules::tables(desired.rules.iter().map(|declared| &declared.rule)).into_iter().any(missing);
    if of_rules || absent().any(|relation| !is_view(&relation.name)) {
        batch.push(RELATIONS.to_owned());
    }
    if batch.is_empty() {
        return Ok(());
    }
    let mut results = session.batch(&batch.join("; ")).await?.into_iter();
    let mut next = || results.next().unwrap_or_default();
    if !wanted.is_empty() {
        read_taken(&next(), live)?;
    }
    if !relations.is_empty() {
        read_columns(&next(), live)?;
        read_sizes(&next(), live)?;
    }
    live.vocabulary.relations = next().iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(())
}

/// Relations that a mistyped name may have meant.
const RELATIONS: &str = "SELECT n.nspname || '.' || c.relname FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') LIMIT 10000";

fn taken_sql(wanted: &[QualifiedName]) -> String {
    Sql::new(
        "SELECT n.nspname::text, c.relname::text, \
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' \
         WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' \
         WHEN 'c' THEN 'composite type' ELSE 'index of ' || coalesce(i.indrelid::regclass::text, 'another table') END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE (n.nspname, c.relname) IN (",
    )
    .list(wanted, ", ", Sql::name_literals)
    .raw(")")
    .as_str()
    .to_owned()
}

fn read_taken(rows: &Rows, live: &mut Live) -> Result<(), LiveError> {
    for row in rows {
        let name = QualifiedName::new(Ident::from_server(row.try_get(0)?), Ident::from_server(row.try_get(1)?));
        live.taken.insert(name, Taken { what: row.try_get(2)? });
    }
    Ok(())
}

fn columns_sql(oids: impl Iterator<Item = u32>) -> String {
    Sql::new(
        "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, NULL), \
         t.typname::text, a.attnotnull, a.attidentity <> '' \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (",
    )
    .list(oids, ", ", |sql, oid| sql.number(i64::from(oid)))
    .raw(") ORDER BY a.attrelid, a.attnum")
    .as_str()
    .to_owned()
}

/// The tables with rows of their own at and below a relation.
fn tables<'a>(name: &QualifiedName, live: &'a Live) -> Vec<&'a Relation> {
    match live.relations.get(name) {
        Some(relation) if relation.is_partitioned() => {
            relation.partitions.iter().flat_map(|partition| tables(partition, live)).collect()
        }
        Some(relation) => vec![relation],
        None => Vec::new(),
    }
}

/// `relpages` is as old as the last VACUUM; this is what a build will read.
fn sizes_sql(oids: impl Iterator<Item = u32>) -> String {
    Sql::new(
        "SELECT n.nspname::text, c.relname::text, pg_relation_size(c.oid) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.oid IN (0, ",
    )
    .list(oids.map(Some).chain([None]), ", ", |sql, oid| sql.number(i64::from(oid.unwrap_or(0))))
    .raw(")")
    .as_str()
    .to_owned()
}

fn read_sizes(rows: &Rows, live: &mut Live) -> Result<(), LiveError> {
    for row in rows {
        let name = QualifiedName::new(Ident::from_server(row.try_get(0)?), Ident::from_server(row.try_get(1)?));
        let bytes = row.try_get::<Option<i64>, _>(2)?.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        if let Some(relation) = live.relations.get_mut(&name) {
            relation.bytes = bytes;
        }
    }
    catalog::add_up_partitions(&mut live.relations);
    Ok(())
}

fn read_columns(rows: &Rows, live: &mut Live) -> Result<(), LiveError> {
    let enums = HashMap::new();
    for row in rows {
        let name = QualifiedName::new(Ident::from_server(row.try_get(0)?), Ident::from_server(row.try_get(1)?));
        let yes_no = |yes: bool| if yes { "YES" } else { "NO" }.to_owned();
        let column: ColumnInfo = parse_column_query_result(
            ColumnQueryResult {
                column_name: row.try_get(2)?,
                column_type: row.try_get(3)?,
                udt_name: row.try_get(4)?,
                is_nullable: yes_no(!row.try_get::<bool, _>(5)?),
                is_identity: yes_no(row.try_get(6)?),
                ..ColumnQueryResult::default()
            },
            &enums,
        );
        if let Some(relation) = live.relations.get_mut(&name) {
            relation.columns.push(column);
        }
    }
    Ok(())
}
