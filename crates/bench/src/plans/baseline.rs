//! The SQL that `psql` reads the same catalogs with: in bulk by itself, and as the product asks.

use reconcile_core::{
    kinds::index::read,
    postgres::{
        batch::Batch,
        name::{Ident, QualifiedName},
    },
    registry,
};

use super::workload::{Table, schema_literals};

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
    let name = |number: u32| {
        let (schema, name) = (Table(number).schema(), Table(number).name());
        QualifiedName::new(Ident::from_server(&schema), Ident::from_server(&name))
    };
    let names: Vec<_> = (1..=tables).map(name).collect();
    let mut batch = Batch::default();
    read::ask(&mut batch, &registry::relations(names.iter(), None, None), server_major * 10_000);
    read::ask_names(&mut batch);
    format!("SET jit = off;\nSET enable_nestloop = off;\n{};\n", batch.text())
}
