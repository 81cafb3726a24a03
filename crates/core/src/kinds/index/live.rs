//! The live side: indexes, and the relations that carry them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use serde::{Deserialize, Serialize};

use super::{Definition, Index};
use crate::{
    address::Address,
    postgres::{
        name::{Ident, QualifiedName},
        relation::{OfRelation, Relation, RelationKind, below, top},
    },
    problem::Problem,
};

/// All that is known of indexes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// The relations that carry declared or managed indexes, and the partitions below them.
    pub relations: BTreeMap<QualifiedName, Carrier>,
    /// Relations of any kind by the names that declared indexes want, where no index of the declared table has it.
    pub taken: BTreeMap<QualifiedName, Taken>,
    /// The indexes, by object identifier, that are what the registry recorded, and declared as it recorded.
    pub recorded: BTreeSet<u32>,
    /// Names in the SQL of indexes that something outside `pg_catalog` has too, along the project's search path; `None`:
    /// nothing was looked up.
    pub shadowed: Option<BTreeSet<String>>,
    /// The names of the declared indexes that only the server can judge, by relation. What the server said is below; no
    /// plan needs to know who was asked about.
    #[serde(skip)]
    pub unsettled: BTreeMap<QualifiedName, BTreeSet<Ident>>,
    /// The canonical definitions of declared indexes, as the server sees them, where only the server can tell.
    pub canonical: BTreeMap<Address, Definition>,
    /// What is wrong with the names of those that the server was not asked about.
    pub misnamed: BTreeMap<Address, Vec<Problem>>,
}

/// A relation and its indexes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Carrier {
    /// The relation.
    pub relation: Relation,
    /// Its indexes, by name.
    pub indexes: BTreeMap<Ident, LiveIndex>,
}

/// What stands under a name that a declared index wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// `table`, `view`, `index of inventory.stock`, …
    pub what: String,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Deref for Carrier {
    type Target = Relation;

    fn deref(&self) -> &Relation {
        &self.relation
    }
}

impl OfRelation for Carrier {
    fn relation(&self) -> &Relation {
        &self.relation
    }
}

impl Live {
    /// The partitions of a relation that are known, at the level right below it.
    pub fn partitions<'a>(&'a self, relation: &'a Relation) -> impl Iterator<Item = &'a Carrier> {
        relation.partitions.iter().filter_map(|name| self.relations.get(name))
    }

    /// Every partition below a relation.
    #[must_use]
    pub fn below<'a>(&'a self, relation: &'a Relation) -> Vec<&'a Carrier> {
        below(relation, &self.relations)
    }

    /// The top of the partition tree that a relation is part of.
    #[must_use]
    pub fn top<'a>(&'a self, relation: &'a Relation) -> &'a QualifiedName {
        top(relation, &self.relations)
    }

    /// Whether a foreign table is among the partitions of a relation. It takes no index.
    #[must_use]
    pub fn has_foreign_partition(&self, relation: &Relation) -> bool {
        self.below(relation).iter().any(|partition| partition.kind == RelationKind::Foreign)
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
