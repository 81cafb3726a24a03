//! The SQL that `psql` reads the same catalogs with: in bulk by itself, and as the product asks.

use reconcile_core::kinds::index::catalog::CATALOG_SQL;

use super::workload::{Table, schema_literals};

/// From this server version on, `pg_index` has the column that `catalog.sql` leaves a place for.
const NULLS_NOT_DISTINCT_MAJOR: u32 = 15;

/// One bulk read of all indexes of the generated schemas, as anybody would write it.
pub(crate) fn bulk_sql() -> String {
    format!(
        "SELECT n.nspname, t.relname, c.relname, am.amname, i.indisunique, i.indisvalid, i.indkey, i.indoption,
       pg_get_indexdef(i.indexrelid), pg_get_expr(i.indpred, i.indrelid), c.reloptions,
       obj_description(i.indexrelid, 'pg_class')
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_am am ON am.oid = c.relam
WHERE n.nspname IN ({});\n",
        schema_literals()
    )
}

/// The product's own queries for the same relations, with the settings that it makes for many of them.
pub(crate) fn catalog_sql(tables: u32, server_major: u32) -> String {
    let name = |number| format!("('{}', '{}')", Table(number).schema(), Table(number).name());
    let rows: Vec<_> = (1..=tables).map(name).collect();
    let asked = format!("VALUES (''::name, ''::name), {}", rows.join(", "));
    let sql = CATALOG_SQL.replace("/*asked*/", &asked);
    let sql = if server_major >= NULLS_NOT_DISTINCT_MAJOR {
        sql.replace("false /*indnullsnotdistinct*/", "i.indnullsnotdistinct")
    } else {
        sql
    };
    format!("SET jit = off;\nSET enable_nestloop = off;\n{sql}")
}
