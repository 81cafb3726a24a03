//! Reads materialized views from the catalogs (rows of `catalog.sql`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Matview, Query, grants::Grant};
use crate::{
    digest::Digest,
    kinds::index::Carrier,
    postgres::{
        name::{Ident, Named, QualifiedName},
        parameters::Parameters,
        relation::{many_parts, parts},
        sql::Sql,
    },
};

const CATALOG_SQL: &str = include_str!("catalog.sql");

/// The statement for [`Roles`].
pub const ROLES_SQL: &str = include_str!("roles.sql");

/// The roles, and to whom default privileges grant something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Roles {
    /// Every role.
    pub names: Vec<String>,
    /// To whom default privileges grant something on what this role creates.
    by_default: Vec<ByDefault>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ByDefault {
    /// The schema; `None`: all schemas.
    schema: Option<Ident>,
    /// The role; `None`: everyone.
    grantee: Option<Ident>,
}

impl Roles {
    /// The roles to which default privileges grant something on what this role creates in a schema; `None`: everyone.
    #[must_use]
    pub fn by_default(&self, schema: &Ident) -> Vec<Option<Ident>> {
        let here = self.by_default.iter().filter(|default| default.schema.as_ref().is_none_or(|own| own == schema));
        let grantees: BTreeSet<_> = here.map(|default| default.grantee.clone()).collect();
        grantees.into_iter().collect()
    }
}

/// The relation that has the name of a view.
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalogs, each by itself")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: u32,
    /// `pg_class.relkind`.
    pub kind: char,
    /// The query as the server prints it, of a materialized view.
    pub query: Option<String>,
    /// Whether it is populated.
    pub populated: bool,
    /// Its owner.
    pub owner: Ident,
    /// Whether this role may do what the owner may do. It describes the role and not the database, so no digest
    /// includes it.
    #[serde(skip_serializing, default)]
    pub own: bool,
    /// Storage parameters as `name=value`; those of its TOAST table as `toast.name=value`.
    pub parameters: Vec<String>,
    /// Its table access method; `None`: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_method: Option<Ident>,
    /// The extensions that it depends on (manual, ALTER MATERIALIZED VIEW, DEPENDS ON EXTENSION).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Ident>,
    /// Its tablespace; `None`: the default of the database.
    pub tablespace: Option<Ident>,
    /// Its comment; `None` if it has none.
    pub comment: Option<String>,
    /// The size of its main fork in bytes.
    pub bytes: Option<u64>,
    /// An estimate of its rows, as of the last VACUUM or ANALYZE; `None`: never.
    pub rows: Option<u64>,
    /// Whether a right was ever granted or revoked.
    pub acl: bool,
    /// The rights on it, including those of its owner.
    pub grants: Vec<Grant>,
    /// The roles to which default privileges grant something in its schema; `None`: everyone.
    pub granted_by_default: Vec<Option<Ident>>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Whether it has a unique index on plain columns, over all rows.
    pub tells_rows_apart: bool,
    /// The materialized views that it reads.
    #[serde(deserialize_with = "many_parts")]
    pub reads: Vec<QualifiedName>,
    /// The plain views that read it, directly or through others.
    #[serde(deserialize_with = "many_parts")]
    pub read_by: Vec<QualifiedName>,
    /// The objects that depend on it, in the server's words: `view a.b`.
    pub dependents: Vec<String>,
    /// Its statistics objects.
    pub statistics: Vec<Statistics>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// How its values are stored, if that differs from the default of the type.
    pub storage: Option<Storage>,
    /// How they are compressed, if that is set.
    pub compression: Option<Ident>,
    /// Its comment; `None` if it has none.
    pub comment: Option<String>,
    /// Planner options as `name=value`.
    pub options: Vec<String>,
    /// Its statistics target.
    pub statistics: Option<i32>,
}

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Storage {
    /// In the row.
    Plain,
    /// Out of the row, not compressed.
    External,
    /// Compressed, and out of the row.
    Extended,
    /// Compressed.
    Main,
}

/// A statistics object (manual, CREATE STATISTICS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Its name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// Its owner.
    pub owner: Ident,
    /// `ndistinct`, `dependencies`, `mcv`; a statistics object for one expression has no kinds.
    pub kinds: Vec<Ident>,
    /// Its columns and expressions, as the server prints them.
    pub columns: String,
    /// The columns that these use.
    pub uses: Vec<Ident>,
    /// Its statistics target.
    pub target: Option<i32>,
    /// Its comment; `None` if it has none.
    pub comment: Option<String>,
}

/// The query for the relations with the names in `asked`, rows of (schema, name). Without `opened`, it leaves out
/// queries and sizes, and so waits for no lock.
#[must_use]
pub fn query(asked: Sql, opened: bool) -> Sql {
    let opened = Sql::new(if opened { "true" } else { "false" });
    Sql::query(CATALOG_SQL, &[("ASKED", asked), ("OPENED", opened)])
}

/// Reads parameters that the catalogs write as `name=value`.
pub(super) fn parameters(written: &[String]) -> Parameters {
    let pairs = written.iter().filter_map(|parameter| parameter.split_once('='));
    pairs.map(|(name, value)| (Ident::from_server(name), value.to_owned())).collect()
}

impl Storage {
    /// The word in ALTER.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::Extended => "EXTENDED",
            Self::Main => "MAIN",
        }
    }
}

impl Statistics {
    /// Whether it can exist on a view with these columns.
    #[must_use]
    pub fn fits(&self, columns: &[Ident]) -> bool {
        self.uses.iter().all(|column| columns.contains(column))
    }
}

impl Named for Found {
    fn name(&self) -> &QualifiedName {
        &self.name
    }
}

impl Found {
    /// What a new view with these columns would lose, in words.
    #[must_use]
    pub fn loses(&self, columns: &[Ident]) -> Vec<String> {
        let lost = self.statistics.iter().filter(|statistics| !statistics.fits(columns));
        lost.map(|statistics| format!("the statistics object {}", statistics.name)).collect()
    }

    /// What a drop loses and no rollback brings back, in words.
    #[must_use]
    pub fn loses_all(&self) -> Vec<String> {
        let method = self.access_method.iter().map(|method| format!("its access method {method}"));
        let extensions = self.extensions.iter().map(|name| format!("its dependence on the extension {name}"));
        self.loses(&[]).into_iter().chain(method).chain(extensions).collect()
    }

    /// Whether it is a materialized view.
    #[must_use]
    pub fn is_matview(&self) -> bool {
        self.kind == 'm'
    }

    /// The type of the relation, for a sentence.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self.kind {
            'r' | 'p' => "table",
            'v' => "view",
            'm' => "materialized view",
            'i' | 'I' => "index",
            'S' => "sequence",
            'f' => "foreign table",
            _ => "type",
        }
    }

    /// The query as the server prints it.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::from_server(self.query.as_deref().unwrap_or_default())
    }

    /// The view as an object, with its indexes.
    #[must_use]
    pub fn view(&self, relation: Option<&Carrier>) -> Matview {
        let parameters = parameters(&self.parameters);
        let indexes = relation.into_iter().flat_map(|relation| relation.indexes.values());
        Matview {
            name: self.name.clone(),
            query: self.query(),
            with_data: self.populated,
            with: Some(parameters).filter(|parameters| !parameters.is_empty()),
            tablespace: self.tablespace.clone(),
            comment: self.comment.clone(),
            grants: None,
            refresh: None,
            indexes: indexes.map(|live| live.index.clone()).collect(),
        }
    }

    /// The digest of everything except sizes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&Self { bytes: None, rows: None, read_by: Vec::new(), ..self.clone() })
    }
}
