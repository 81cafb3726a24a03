//! Reads all relations of some schemas that can carry indexes, for `import`.

use std::collections::BTreeMap;

use super::{Carrier, read};
use crate::postgres::{
    batch::{Ask, Batch},
    name::{Ident, QualifiedName},
    sql::Sql,
};

/// The relations to read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// reconcile's own schema, which is left out.
    pub registry_schema: Ident,
    /// Only these schemas. An empty list means all.
    pub schemas: Vec<Ident>,
    /// Only these relations. An empty list means all.
    pub relations: Vec<QualifiedName>,
}

/// Reads the relations with the partitions below them.
///
/// # Errors
/// The connection or a query fails.
pub async fn read_all<S: Ask>(
    server: &mut S,
    selection: &Selection,
) -> Result<BTreeMap<QualifiedName, Carrier>, S::Error> {
    let mut batch = Batch::default();
    let relations = read::ask(&mut batch, &selection.query(), server.server_version());
    let names = read::ask_names(&mut batch);
    let mut answers = server.send(&batch).await?;
    let names = read::decode_names(names, &mut answers)?;
    Ok(read::decode(relations, &mut answers, &names)?)
}

impl Selection {
    /// The query for the relations, which returns rows of (schema, name).
    fn query(&self) -> Sql {
        let sql = Sql::new(
            "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
             AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname <> ",
        )
        .literal(self.registry_schema.as_str())
        .raw(
            " AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass \
             AND e.objid = c.oid AND e.deptype = 'e')",
        );
        let sql = if self.schemas.is_empty() {
            sql
        } else {
            sql.raw(" AND n.nspname IN (").list(&self.schemas, ", ", |sql, name| sql.literal(name.as_str())).raw(")")
        };
        if self.relations.is_empty() {
            sql
        } else {
            sql.raw(" AND (n.nspname, c.relname) IN (").list(&self.relations, ", ", Sql::name_literals).raw(")")
        }
    }
}
