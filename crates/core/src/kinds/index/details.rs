//! What is read only if something is not settled: columns (in sea-schema's model), names that are taken, current sizes.
//! A plan without changes does not need it.

use std::collections::HashMap;

use sea_schema::postgres::{def::ColumnInfo, parser::parse_column_query_result, query::ColumnQueryResult};

use super::{
    Carrier, Live, View,
    live::Taken,
    names::part_names,
    read::{add_up_partitions, names},
};
use crate::postgres::{
    batch::{Answers, Asked, Batch},
    name::{Ident, QualifiedName},
    relation::Column,
    rows::{DecodeError, Rows},
    sql::Sql,
};

/// The handles of the queries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details {
    taken: Option<Asked>,
    columns: Option<Asked>,
    sizes: Option<Asked>,
}

/// Asks for what the declared indexes need that are unsettled or missing. `comes_with` tells whether a relation will exist
/// only after the plan has run.
pub fn ask(view: View<'_>, comes_with: impl Fn(&QualifiedName) -> bool, batch: &mut Batch) -> Details {
    let open: Vec<_> = view.unsettled_or_missing().collect();
    let absent = view.desired.iter().filter(|relation| !view.live.relations.contains_key(&relation.name));
    let to_come = absent.filter(|relation| comes_with(&relation.name));
    let to_come = to_come.flat_map(|relation| relation.indexes.iter().map(|declared| declared.object.relation()));
    let wanted: Vec<_> = open
        .iter()
        .filter(|(declared, carrier)| !carrier.indexes.contains_key(&declared.object.name))
        .flat_map(|(declared, carrier)| {
            let parts = part_names(&declared.object.name, carrier, view.live);
            parts.into_iter().chain([declared.object.relation()])
        })
        .chain(to_come)
        .collect();
    let mut carriers: Vec<_> = open.iter().map(|(_, carrier)| *carrier).collect();
    carriers.dedup_by_key(|carrier| carrier.oid);
    let mut details = Details::default();
    if !wanted.is_empty() {
        details.taken = Some(batch.ask(taken_sql(&wanted)));
    }
    if !carriers.is_empty() {
        details.columns = Some(batch.ask(columns_sql(carriers.iter().map(|carrier| carrier.oid))));
        let tables = carriers.iter().flat_map(|carrier| tables(carrier, view.live));
        details.sizes = Some(batch.ask(sizes_sql(tables.map(|carrier| carrier.oid))));
    }
    details
}

/// Adds the answers to the live side.
///
/// # Errors
/// The rows are not what the queries return.
pub fn complete(details: Details, answers: &mut Answers, live: &mut Live) -> Result<(), DecodeError> {
    if let Some(taken) = details.taken {
        for row in answers.take(taken)?.iter() {
            live.taken.insert(row.name(0)?, Taken { what: row.get(2)? });
        }
    }
    if let Some(columns) = details.columns {
        read_columns(&answers.take(columns)?, live)?;
    }
    if let Some(sizes) = details.sizes {
        read_sizes(&answers.take(sizes)?, live)?;
    }
    Ok(())
}

/// The declared relations that do not exist and that the plan does not create.
pub fn missing(view: View<'_>, comes_with: impl Fn(&QualifiedName) -> bool) -> impl Iterator<Item = &QualifiedName> {
    names(view.desired).filter(move |name| !view.live.relations.contains_key(*name) && !comes_with(name))
}

fn taken_sql(wanted: &[QualifiedName]) -> Sql {
    Sql::new(
        "SELECT n.nspname, c.relname, \
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' \
         WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' \
         WHEN 'c' THEN 'composite type' ELSE 'index of ' || coalesce(i.indrelid::regclass::text, 'another table') END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE (n.nspname, c.relname) IN (",
    )
    .list(wanted, ", ", Sql::name_literals)
    .raw(")")
}

fn columns_sql(oids: impl Iterator<Item = u32>) -> Sql {
    Sql::new(
        "SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL), \
         t.typname, a.attnotnull, a.attidentity <> '', ln.nspname, l.collname, \
         CASE WHEN a.attgenerated <> '' THEN jsonb_build_object( \
         'expression', pg_get_expr(d.adbin, d.adrelid), 'virtual', a.attgenerated = 'v') END \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.oid <> t.typcollation \
         LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (",
    )
    .list(oids, ", ", |sql, oid| sql.number(i64::from(oid)))
    .raw(") ORDER BY a.attrelid, a.attnum")
}

/// The tables with rows of their own, at and below a relation.
fn tables<'a>(carrier: &'a Carrier, live: &'a Live) -> Vec<&'a Carrier> {
    let below = live.below(carrier).into_iter();
    std::iter::once(carrier).chain(below).filter(|carrier| !carrier.is_partitioned()).collect()
}

/// The query for what a build will read. `relpages` would be as old as the last VACUUM.
fn sizes_sql(oids: impl Iterator<Item = u32>) -> Sql {
    Sql::new(
        "SELECT n.nspname, c.relname, pg_relation_size(c.oid) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.oid IN (0, ",
    )
    .list(oids.map(Some).chain([None]), ", ", |sql, oid| sql.number(i64::from(oid.unwrap_or(0))))
    .raw(")")
}

fn read_sizes(rows: &Rows, live: &mut Live) -> Result<(), DecodeError> {
    for row in rows.iter() {
        let bytes = row.get::<Option<i64>>(2)?.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        if let Some(carrier) = live.relations.get_mut(&row.name(0)?) {
            carrier.relation.bytes = bytes;
        }
    }
    add_up_partitions(&mut live.relations);
    Ok(())
}

fn read_columns(rows: &Rows, live: &mut Live) -> Result<(), DecodeError> {
    let enums = HashMap::new();
    for row in rows.iter() {
        let yes_no = |yes: bool| if yes { "YES" } else { "NO" }.to_owned();
        let type_name: String = row.get(3)?;
        let info: ColumnInfo = parse_column_query_result(
            ColumnQueryResult {
                column_name: row.get(2)?,
                column_type: type_name.clone(),
                udt_name: row.get(4)?,
                is_nullable: yes_no(!row.get::<bool>(5)?),
                is_identity: yes_no(row.get(6)?),
                ..ColumnQueryResult::default()
            },
            &enums,
        );
        if let Some(carrier) = live.relations.get_mut(&row.name(0)?) {
            let (name, not_null) = (Ident::from_server(&info.name), info.not_null.is_some());
            let collation = if row.text(7).is_some() { Some(row.name(7)?) } else { None };
            let generation = row.json_or_default(9)?;
            carrier.relation.columns.push(Column { name, type_name, collation, not_null, generation });
        }
    }
    Ok(())
}
