//! The live side: what the catalogs and the registry said, in one snapshot. Reading it is left to the `live` crate.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_schema::postgres::def::ColumnInfo;
use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    digest::Digest,
    kinds::{
        index::Index,
        matview::{Matview, catalog::Views},
        retention::{
            Rule,
            catalog::{Estimate, Table},
        },
        schedule::{Schedule, catalog::Cron},
    },
    postgres::{
        name::{Ident, QualifiedName},
        routine,
    },
};

/// Which database a plan belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseId {
    /// `pg_control_system()`: made by initdb, shared with standbys.
    pub system_identifier: String,
    /// The database within that cluster.
    pub name: String,
    /// `server_version_num`, such as 150018.
    pub server_version: u32,
}

/// Everything read about the declared, managed and pruned objects.
#[derive(Clone, Debug)]
pub struct Live {
    /// Where it was read.
    pub database: DatabaseId,
    /// The relations that carry declared or managed indexes, and the partitions below them.
    pub relations: HashMap<QualifiedName, Relation>,
    /// What the registry holds.
    pub registry: Registry,
    /// Relations of any kind by the names that declared indexes want, where no index of the declared table has it.
    pub taken: HashMap<QualifiedName, Taken>,
    /// The names that exist, to check declarations against and to suggest from.
    pub vocabulary: Vocabulary,
    /// The indexes, by object identifier, that are what the registry recorded, and declared as it recorded.
    pub recorded: HashSet<u32>,
    /// What stands under the names of materialized views.
    pub matviews: Views,
    /// What retention rules have to know.
    pub retention: Retention,
    /// The jobs in the database.
    pub cron: Cron,
}

/// What retention rules have to know of their tables.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Their tables, the children of those, and their archives.
    pub tables: BTreeMap<QualifiedName, Table>,
    /// The routines of rules and of chains of views in reconcile's own schema, by name.
    pub routines: BTreeMap<Ident, routine::Found>,
    /// Of the rules that are not in force as declared, by their tables.
    pub estimates: BTreeMap<QualifiedName, Estimate>,
}

/// What the registry says is reconcile's own.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Its schema and tables exist.
    pub exists: bool,
    /// It exists, but this role may not read it: ownership is unknown, so nothing may be dropped.
    pub unreadable: bool,
    /// What was created or adopted.
    pub managed: BTreeMap<Address, Managed>,
    /// The materialized views as they were applied.
    pub matviews: BTreeMap<QualifiedName, Matview>,
    /// The retention rules in force, by their tables.
    pub rules: BTreeMap<QualifiedName, Rule>,
    /// The jobs that it has made.
    pub schedules: BTreeMap<Address, Schedule>,
}

/// A registry entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// Of the declaration when it was applied.
    pub declared: Digest,
    /// Of the live definition right after.
    pub definition: Digest,
}

/// What stands under a name that a declared index wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// `table`, `view`, `index on inventory.stock`, …
    pub what: String,
}

/// Names that exist in the database.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Relations that can carry indexes, outside the system schemas. Filled when a declared relation is missing.
    pub relations: Vec<String>,
    /// Access methods for indexes.
    pub methods: Vec<String>,
    /// Tablespaces.
    pub tablespaces: Vec<String>,
    /// The one where the database puts what names none.
    pub default_tablespace: String,
}

/// A relation that can carry indexes.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name.
    pub name: QualifiedName,
    /// Its object identifier.
    pub oid: u32,
    /// What it is.
    pub kind: RelationKind,
    /// The partitioned table that this is a partition of.
    pub parent: Option<QualifiedName>,
    /// Its direct partitions.
    pub partitions: Vec<QualifiedName>,
    /// Its partition key, `None` for an expression; empty where it is not partitioned.
    pub partition_key: Vec<Option<Ident>>,
    /// Its columns, in order; read only where a declaration has to be checked against them.
    pub columns: Vec<ColumnInfo>,
    /// Its indexes, by name.
    pub indexes: BTreeMap<Ident, LiveIndex>,
    /// Bytes of its main fork, with its partitions. Measured where something is not settled, elsewhere the planner's
    /// figure as of the last VACUUM or ANALYZE.
    pub bytes: u64,
    /// Rows, with its partitions; an estimate of the same age. `None`: never analysed.
    pub rows: Option<u64>,
}

/// What a relation is, as far as its indexes are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table or a partition with rows of its own.
    Table,
    /// A partitioned table, which has none.
    Partitioned,
    /// A materialized view.
    MaterializedView,
    /// A foreign table: it takes no index.
    Foreign,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LiveIndex {
    /// What it is, expressions as the server prints them.
    pub index: Index,
    /// Its object identifier.
    pub oid: u32,
    /// Whether it can be used.
    pub state: IndexState,
    /// The constraint that it backs.
    pub constraint: Option<String>,
    /// Foreign keys that need it without owning it, as `constraint of schema.table`.
    pub needed_by: Vec<String>,
    /// The index of the partitioned parent that this one is attached to.
    pub attached_to: Option<u32>,
    /// The table's replica identity.
    pub replica_identity: bool,
    /// The table is clustered on it.
    pub clustered: bool,
    /// Statistics targets of its expression columns, as column number from 1 and target.
    pub statistics: Vec<(u16, i32)>,
}

/// Whether an index can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// It answers queries.
    Valid,
    /// A build left it behind, or partitions are still missing from it.
    Invalid,
    /// A session is building it now.
    Building {
        /// That session's process.
        pid: i32,
    },
}

impl Registry {
    /// The managed indexes of one relation.
    pub fn indexes_of<'a>(&'a self, table: &'a QualifiedName) -> impl Iterator<Item = (&'a Address, &'a Ident)> {
        // No name sorts before this one: a NUL cannot be part of a name.
        let first = Address::index(table, &Ident::from_server("\u{1}"));
        self.managed.range(first..).map_while(move |(address, _)| match address {
            Address::Index { table: of, name } => (of == table).then_some((address, name)),
            Address::Matview { .. } | Address::Retention { .. } | Address::Schedule { .. } => None,
        })
    }
}

impl Relation {
    /// Whether its rows are in partitions.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.kind == RelationKind::Partitioned
    }
}

impl Live {
    /// Whether a foreign table is among the partitions of a relation. It takes no index.
    #[must_use]
    pub fn has_foreign_partition(&self, relation: &Relation) -> bool {
        let mut below = relation.partitions.iter().filter_map(|name| self.relations.get(name));
        below.any(|partition| partition.kind == RelationKind::Foreign || self.has_foreign_partition(partition))
    }
}

impl LiveIndex {
    /// What would break without it, for a sentence; the index is not its own.
    #[must_use]
    pub fn dependent(&self) -> Option<String> {
        let identity = self.replica_identity.then(|| "the replica identity of its table".to_owned());
        self.needed_by.first().map(|key| format!("the foreign key {key}")).or(identity)
    }

    /// Whether it belongs to something else that decides about it.
    #[must_use]
    pub fn is_owned_elsewhere(&self) -> bool {
        self.constraint.is_some() || self.attached_to.is_some()
    }
}
