//! The live side: indexes, and the relations that carry them.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::once,
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

/// Everything that is known about indexes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// The relations that carry declared or managed indexes, and the partitions below them.
    pub relations: BTreeMap<QualifiedName, Carrier>,
    /// Objects that have the name of a declared index and are not an index of its relation.
    pub taken: BTreeMap<QualifiedName, Taken>,
    /// The OIDs of the indexes that are as the registry recorded them, and declared as it recorded.
    pub recorded: BTreeSet<u32>,
    /// Names in the SQL of indexes that an object outside `pg_catalog` has as well, along the project's search path. `None`:
    /// none were looked up.
    pub shadowed: Option<BTreeSet<String>>,
    /// The names of the declared indexes that only the server can judge, by relation. What the server said is below; no
    /// plan needs to know who was asked about.
    #[serde(skip)]
    pub unsettled: BTreeMap<QualifiedName, BTreeSet<Ident>>,
    /// The canonical definitions of declared indexes, as the server sees them, where only the server can tell.
    pub canonical: BTreeMap<Address, Definition>,
    /// The mistakes in the names of indexes that the server was not asked about.
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

/// The object that has the name of a declared index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// `table`, `view`, `index of inventory.stock`, …
    pub what: String,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveIndex {
    /// Its definition, with expressions as the server prints them.
    pub index: Index,
    /// Its OID.
    pub oid: u32,
    /// Whether it can be used.
    pub state: IndexState,
    /// The constraint that it backs.
    pub constraint: Option<String>,
    /// Foreign keys that need it without owning it, as `constraint of schema.table`.
    pub needed_by: Vec<String>,
    /// The index of the partitioned parent that this one is attached to.
    pub attached_to: Option<u32>,
    /// It is the table's replica identity.
    pub replica_identity: bool,
    /// The table is clustered on it.
    pub clustered: bool,
    /// Statistics targets of its expression columns: the column number from 1, and the target.
    pub statistics: Vec<(u16, i32)>,
    /// It belongs to a constraint that can be deferred.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferrable: bool,
    /// The extensions that it depends on (manual, ALTER INDEX, DEPENDS ON EXTENSION).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Ident>,
}

/// Whether an index can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// Queries can use it.
    Valid,
    /// An interrupted build left it, or some partitions have no part of it.
    Invalid,
    /// A session is building it now.
    Building {
        /// The process of that session.
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

impl Carrier {
    /// Its part of an index of its parent.
    #[must_use]
    pub fn part_of(&self, index: &LiveIndex) -> Option<&LiveIndex> {
        self.indexes.values().find(|part| part.attached_to == Some(index.oid))
    }
}

impl Live {
    /// The partitions right below a relation that are known.
    pub fn partitions<'a>(&'a self, relation: &'a Relation) -> impl Iterator<Item = &'a Carrier> {
        relation.partitions.iter().filter_map(|name| self.relations.get(name))
    }

    /// The parts of an index of a relation, at all levels, with the partitions that carry them.
    #[must_use]
    pub fn parts<'a>(&'a self, index: &LiveIndex, relation: &'a Relation) -> Vec<(&'a Carrier, &'a LiveIndex)> {
        let direct = self.partitions(relation).filter_map(|partition| Some((partition, partition.part_of(index)?)));
        direct.flat_map(|(partition, part)| once((partition, part)).chain(self.parts(part, partition))).collect()
    }

    /// What depends on an index of a relation or on one of its parts, although it does not own it, as part of a sentence.
    #[must_use]
    pub fn dependent(&self, index: &LiveIndex, relation: &Relation) -> Option<String> {
        let of_parts = || {
            self.parts(index, relation).into_iter().find_map(|(partition, part)| {
                Some(format!("{} (through its part on {})", part.dependent()?, partition.name))
            })
        };
        index.dependent().or_else(of_parts)
    }

    /// All partitions below a relation.
    #[must_use]
    pub fn below<'a>(&'a self, relation: &'a Relation) -> Vec<&'a Carrier> {
        below(relation, &self.relations)
    }

    /// The root of the partition tree that a relation is part of.
    #[must_use]
    pub fn top<'a>(&'a self, relation: &'a Relation) -> &'a QualifiedName {
        top(relation, &self.relations)
    }

    /// How many partitioned tables are above a relation.
    #[must_use]
    pub fn depth(&self, name: &QualifiedName) -> usize {
        let parent = self.relations.get(name).and_then(|relation| relation.parent.as_ref());
        parent.map_or(0, |parent| 1 + self.depth(parent))
    }

    /// Whether a relation has a foreign table among its partitions, which cannot have indexes.
    #[must_use]
    pub fn has_foreign_partition(&self, relation: &Relation) -> bool {
        self.below(relation).iter().any(|partition| partition.kind == RelationKind::Foreign)
    }
}

impl LiveIndex {
    /// What depends on it although it does not own it, as part of a sentence.
    #[must_use]
    fn dependent(&self) -> Option<String> {
        let identity = self.replica_identity.then(|| "the replica identity of its table".to_owned());
        self.needed_by.first().map(|key| format!("the foreign key {key}")).or(identity)
    }

    /// What hangs on it and no declaration says, in words.
    #[must_use]
    pub fn beyond_declaration(&self) -> Vec<String> {
        let statistics = (!self.statistics.is_empty()).then_some("the statistics targets of its expressions");
        let clustered = self.clustered.then_some("CLUSTER ON of its table");
        let identity = self.replica_identity.then_some("the replica identity of its table");
        let extensions = self.extensions.iter().map(|name| format!("its dependence on the extension {name}"));
        statistics.into_iter().chain(clustered).chain(identity).map(str::to_owned).chain(extensions).collect()
    }

    /// Whether a constraint or a parent index owns it and decides about it.
    #[must_use]
    pub fn is_owned_elsewhere(&self) -> bool {
        self.constraint.is_some() || self.attached_to.is_some()
    }
}
