//! What the catalogs say of materialized views: rows of `catalog.sql`, and what reconcile knows of those that are
//! declared.

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

/// Who can be given rights, and who gets some by default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Roles {
    /// Every role.
    pub names: Vec<String>,
    /// Who may do something with whatever this role makes.
    by_default: Vec<ByDefault>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ByDefault {
    /// `None`: in each.
    schema: Option<Ident>,
    /// `None`: everyone.
    grantee: Option<Ident>,
}

impl Roles {
    /// Who may do something with whatever this role makes in a schema; `None`: everyone.
    #[must_use]
    pub fn by_default(&self, schema: &Ident) -> Vec<Option<Ident>> {
        let here = self.by_default.iter().filter(|default| default.schema.as_ref().is_none_or(|own| own == schema));
        let grantees: BTreeSet<_> = here.map(|default| default.grantee.clone()).collect();
        grantees.into_iter().collect()
    }
}

/// What stands under a name.
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalogs, each by itself")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The name.
    #[serde(deserialize_with = "parts")]
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: u32,
    /// `pg_class.relkind`.
    pub kind: char,
    /// As the server prints it; of a materialized view.
    pub query: Option<String>,
    /// Whether it has been filled.
    pub populated: bool,
    /// Whose it is.
    pub owner: Ident,
    /// Whether the role that asks may do what its owner may. Says nothing of the database, and is not part of any digest.
    #[serde(skip_serializing, default)]
    pub own: bool,
    /// Storage parameters as `name=value`.
    pub parameters: Vec<String>,
    /// `None`: the database's default.
    pub tablespace: Option<Ident>,
    /// `None`: there is none.
    pub comment: Option<String>,
    /// Of its main fork.
    pub bytes: Option<u64>,
    /// As of the last VACUUM or ANALYZE; `None`: never.
    pub rows: Option<u64>,
    /// Whether anything was ever granted or revoked.
    pub acl: bool,
    /// Who may do what, its owner included.
    pub grants: Vec<Grant>,
    /// Who may do something with whatever is made in its schema; `None`: everyone.
    pub granted_by_default: Vec<Option<Ident>>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Whether a unique index on plain columns, over all rows, is there.
    pub tells_rows_apart: bool,
    /// The materialized views that it reads.
    #[serde(deserialize_with = "many_parts")]
    pub reads: Vec<QualifiedName>,
    /// The plain views that read it, directly or through others.
    #[serde(deserialize_with = "many_parts")]
    pub read_by: Vec<QualifiedName>,
    /// What depends on it, in the server's words: `view a.b`.
    pub dependents: Vec<String>,
    /// Its statistics objects.
    pub statistics: Vec<Statistics>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// How its values are stored, where that is not the way of its type.
    pub storage: Option<Storage>,
    /// How they are compressed, where that was said.
    pub compression: Option<Ident>,
    /// `None`: there is none.
    pub comment: Option<String>,
    /// Planner options as `name=value`.
    pub options: Vec<String>,
    /// Its own statistics target.
    pub statistics: Option<i32>,
}

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Storage {
    /// In the row.
    Plain,
    /// Out of the row, as they are.
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
    /// Whose it is.
    pub owner: Ident,
    /// `ndistinct`, `dependencies`, `mcv`; those of an expression alone have none.
    pub kinds: Vec<Ident>,
    /// What it is about, as the server prints it.
    pub columns: String,
    /// The columns that are named there.
    pub uses: Vec<Ident>,
    /// Its own target.
    pub target: Option<i32>,
    /// `None`: there is none.
    pub comment: Option<String>,
}

/// The query for what stands under some names, which `asked` gives as rows of (schema, name). Unless `opened`, nothing is
/// said of queries and sizes, and nobody waited for.
#[must_use]
pub fn query(asked: Sql, opened: bool) -> Sql {
    let opened = Sql::new(if opened { "true" } else { "false" });
    Sql::query(CATALOG_SQL, &[("ASKED", asked), ("OPENED", opened)])
}

/// Parameters that the catalogs write as `name=value`.
pub(super) fn parameters(written: &[String]) -> Parameters {
    let pairs = written.iter().filter_map(|parameter| parameter.split_once('='));
    pairs.map(|(name, value)| (Ident::from_server(name), value.to_owned())).collect()
}

impl Storage {
    /// As ALTER writes it.
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
    /// Whether it is possible on a view with these columns.
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
    /// What hangs on it and does not come along with a view of these columns, in words.
    #[must_use]
    pub fn loses(&self, columns: &[Ident]) -> Vec<String> {
        let lost = self.statistics.iter().filter(|statistics| !statistics.fits(columns));
        lost.map(|statistics| format!("the statistics object {}", statistics.name)).collect()
    }

    /// Whether it is a materialized view.
    #[must_use]
    pub fn is_matview(&self) -> bool {
        self.kind == 'm'
    }

    /// What it is, for a sentence.
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

    /// The query that the server prints.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::from_server(self.query.as_deref().unwrap_or_default())
    }

    /// It as an object, with its indexes.
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

    /// Of all but its size.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&Self { bytes: None, rows: None, read_by: Vec::new(), ..self.clone() })
    }
}
