//! Reads what depends on materialized views that will be rebuilt (rows of `dependents.sql`). `decide` says what happens
//! to it.

use serde::{Deserialize, Serialize};

use super::{Query, catalog::parameters};
use crate::postgres::{
    name::{Ident, QualifiedName},
    parameters::Parameters,
    relation::{Column, parts},
    sql::Sql,
};

const DEPENDENTS_SQL: &str = include_str!("dependents.sql");

/// An object that depends on one or more of the views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependent {
    /// The object in the server's words: `view a.b`, `function f()`.
    pub what: String,
    /// The views that it depends on.
    pub uses: Vec<Use>,
    /// The view that it is, if it can be rebuilt; `None`: it is another type of object.
    pub relation: Option<Reader>,
}

/// A view that an object depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The materialized view.
    #[serde(deserialize_with = "parts")]
    pub view: QualifiedName,
    /// The columns that the object uses.
    pub columns: Vec<Ident>,
}

/// A plain or materialized view that reads one of the views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// `pg_class.relkind`: `v` or `m`.
    pub kind: char,
    /// Its owner.
    pub owner: Ident,
    /// Whether this role may do what the owner may do. It describes the role and not the database, so no digest
    /// includes it.
    #[serde(skip_serializing, default)]
    pub own: bool,
    /// Options such as `security_barrier`, as `name=value`.
    pub options: Vec<String>,
    /// Its query, as the server prints it.
    pub query: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// The query for what depends on some materialized views.
#[must_use]
pub fn query(views: &[&QualifiedName]) -> Sql {
    let asked = Sql::new("VALUES ").list(views, ", ", |sql, name| sql.name_literals(name));
    Sql::query(DEPENDENTS_SQL, &[("ASKED", asked)])
}

impl Dependent {
    /// The plain view, if the object is one.
    #[must_use]
    pub fn plain_view(&self) -> Option<&Reader> {
        self.relation.as_ref().filter(|reader| reader.kind == 'v')
    }

    /// The materialized view, if the object is one.
    #[must_use]
    pub fn matview(&self) -> Option<&Reader> {
        self.relation.as_ref().filter(|reader| reader.kind == 'm')
    }

    /// Whether it depends on a view.
    #[must_use]
    pub fn depends_on(&self, view: &QualifiedName) -> bool {
        self.uses.iter().any(|used| used.view == *view)
    }
}

impl Reader {
    /// Its query; the server printed every relation with its schema.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::from_server(&self.query)
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> Parameters {
        parameters(&self.options)
    }

    /// Why it could not keep its identity with other columns; `None` if it can. More columns at the end are allowed
    /// (manual, CREATE VIEW).
    #[must_use]
    pub fn departs(&self, columns: &[Column]) -> Option<String> {
        for (position, column) in self.columns.iter().enumerate() {
            let Some(new) = columns.get(position).filter(|new| new.name == column.name) else {
                return Some(format!("column `{}` would not be in its place", column.name));
            };
            if new.type_name != column.type_name {
                let (old, new) = (&column.type_name, &new.type_name);
                return Some(format!("column `{}` would be of type {new} and not of type {old}", column.name));
            }
            if new.collation != column.collation {
                return Some(format!("column `{}` would have another collation", column.name));
            }
        }
        None
    }
}
