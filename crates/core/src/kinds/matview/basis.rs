//! What the text of a query relies on: the columns behind each `*`, and what its names stand for. A text that has not
//! changed means the same only as long as that has not changed either (docs/pitfalls.md, "A query keeps the columns
//! that it was made with").

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Query;
use crate::postgres::{
    lookup,
    name::{Ident, Named, QualifiedName},
    relation::parts,
    sql::Sql,
};

const BASIS_SQL: &str = include_str!("basis.sql");

/// What a view's query relies on, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The search path of the declared text.
    path: Vec<Ident>,
    /// The relations that the stored query reads and the row types of the functions that it calls, by their names.
    relations: BTreeMap<String, Vec<Column>>,
    /// The objects along the search path that have a name of the declared text, in the server's words.
    names: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: Ident,
    /// Its type and collation, as the server prints them.
    #[serde(rename = "type")]
    type_name: String,
}

/// The basis of a view, as the server tells it.
#[derive(Deserialize)]
pub(super) struct OfView {
    #[serde(deserialize_with = "parts")]
    name: QualifiedName,
    pub(super) basis: Basis,
}

impl Named for OfView {
    fn name(&self) -> &QualifiedName {
        &self.name
    }
}

/// The query for [`OfView`] of some views that stand, with their declared queries. It reads with an empty search path.
#[must_use]
pub(super) fn query<'a>(views: impl IntoIterator<Item = (&'a QualifiedName, &'a Query)>, search_path: &[Ident]) -> Sql {
    Sql::new("SELECT b.view::text FROM (").raw_sql(&rows(views, search_path)).raw(") b")
}

/// The same for one view, as an expression of type jsonb.
#[must_use]
pub fn made(name: &QualifiedName, query: &Query, search_path: &[Ident]) -> Sql {
    Sql::new("(SELECT b.view -> 'basis' FROM (").raw_sql(&rows([(name, query)], search_path)).raw(") b)")
}

fn rows<'a>(views: impl IntoIterator<Item = (&'a QualifiedName, &'a Query)>, search_path: &[Ident]) -> Sql {
    let words = |sql: Sql, query: &Query| {
        let words = lookup::words(query.as_str());
        sql.raw("ARRAY[").list(&words, ", ", |sql, word| sql.literal(word)).raw("]::text[])")
    };
    let asked = Sql::new("VALUES ").list(views, ", ", |sql, (name, query)| {
        let sql = sql.raw("(").literal(name.schema.as_str()).raw("::name, ").literal(name.name.as_str());
        words(sql.raw("::name, "), query)
    });
    let path = search_path.iter().map(Ident::as_str);
    let schemas = Sql::new("jsonb_build_array(").list(path, ", ", Sql::literal).raw(")");
    Sql::query(BASIS_SQL, &[("ASKED", asked), ("PATH", lookup::schemas(search_path)), ("SCHEMAS", schemas)])
}

impl Basis {
    /// What is different from a basis before, in words.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (relation, columns) in &self.relations {
            let Some(old) = before.relations.get(relation) else { continue };
            let find =
                |columns: &'_ [Column], name: &Ident| columns.iter().find(|column| column.name == *name).cloned();
            for column in columns {
                match find(old, &column.name) {
                    None => differences.push(format!("`{relation}` has gained the column `{}`", column.name)),
                    Some(was) if was != *column => {
                        let (was, is, name) = (was.type_name, &column.type_name, &column.name);
                        differences.push(format!("`{name}` of `{relation}` is of type {is} and no longer {was}"));
                    }
                    Some(_) => {}
                }
            }
            let lost = old.iter().filter(|column| find(columns, &column.name).is_none());
            differences.extend(lost.map(|column| format!("`{relation}` has lost the column `{}`", column.name)));
        }
        if self.path == before.path {
            differences.extend(self.names.difference(&before.names).map(|what| format!("there is a {what} now")));
            differences.extend(before.names.difference(&self.names).map(|what| format!("the {what} is gone")));
        } else {
            let path: Vec<_> = self.path.iter().map(Ident::as_str).collect();
            differences.push(format!("names are looked up in {}", path.join(", ")));
        }
        differences
    }
}
