//! An index: what it is, on both sides of the comparison. How it is written in YAML is in `spec`, how it is read
//! from the catalogs in `catalog`, when two are the same in `compare`, what a change executes in `steps`.

mod ask;
pub mod canonical;
pub mod catalog;
mod change;
pub mod check;
pub mod compare;
pub mod decide;
pub mod desired;
pub mod details;
mod duplicates;
mod explain;
pub mod import;
pub mod live;
pub mod names;
mod plan;
mod probe;
pub mod read;
mod rollback;
pub mod spec;
pub mod steps;
mod write;

use serde::{Deserialize, Serialize};

pub use ask::{Resolved, resolve};
pub use desired::DesiredRelation;
pub use live::{Carrier, IndexState, Live, LiveIndex};
pub use rollback::Former;
pub use write::BuildMode;

use crate::{
    address::{Address, KindName, Shape},
    change::Change,
    declared::Declared,
    kind::{Context, Kind, Part, Projection, Undoing},
    postgres::{
        fragment::Fragment,
        name::{Ident, QualifiedName},
        parameters::Parameters,
        routine::SharedRoutine,
    },
    registry::Registry,
};

/// Keys and included columns that one index can have (`INDEX_MAX_KEYS`).
pub const MAX_COLUMNS: usize = 32;

/// The access method of an index that names none.
pub const DEFAULT_METHOD: &str = "btree";

/// The kind.
#[derive(Debug)]
pub enum Indexes {}

/// Both sides of the indexes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is declared, in the order of relations.
    pub desired: &'a [DesiredRelation],
    /// What is live.
    pub live: &'a Live,
}

impl<'a> View<'a> {
    /// What is declared about a relation.
    #[must_use]
    pub fn desired(self, name: &QualifiedName) -> Option<&'a DesiredRelation> {
        desired::relation(self.desired, name)
    }

    /// The declared indexes that only the server can judge, with what carries them.
    pub fn unsettled(self) -> impl Iterator<Item = (&'a Declared<Index>, &'a Carrier)> {
        let live = self.live;
        self.desired
            .iter()
            .filter_map(|desired| {
                let names = live.unsettled.get(&desired.name)?;
                let carrier = live.relations.get(&desired.name)?;
                let open = desired.indexes.iter().filter(|declared| names.contains(&declared.object.name));
                Some(open.map(move |declared| (declared, carrier)))
            })
            .flatten()
    }
}

impl Kind for Indexes {
    const NAME: KindName = KindName::new("index");
    const SHAPE: Shape = Shape::Part;
    const EXAMPLE: &'static str = "index/schema.table/name";
    const READS_DECLARATIONS: bool = false;
    const ROUTINES: &'static [SharedRoutine] = &[];

    type Object = Index;
    type View<'a> = View<'a>;
    type Former = Former;

    fn plan(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Part<Index> {
        plan::plan(context, view, ahead)
    }

    fn restore<O>(
        change: &Change<O>,
        before: &Index,
        after: Option<&Index>,
        undoing: &mut Undoing,
        former: &mut Former,
    ) {
        rollback::restore(change, before, after, undoing, former);
    }

    fn touch(address: &Address, former: &mut Former) {
        former.tables.insert(address.relation().clone());
    }
}

/// The address of an index.
#[must_use]
pub fn address(table: &QualifiedName, name: &Ident) -> Address {
    Address::of_part(Indexes::NAME, table, name)
}

/// The managed indexes of one relation, with their names.
pub fn managed<'a>(registry: &'a Registry, table: &'a QualifiedName) -> impl Iterator<Item = (&'a Address, &'a Ident)> {
    // What has no part sorts before what has one.
    let first = Address::new(Indexes::NAME, table);
    let of_table = registry.managed.range(first..).map(|(address, _)| address);
    let of_table = of_table.take_while(move |address| *address.kind() == Indexes::NAME && address.relation() == table);
    of_table.filter_map(|address| Some((address, address.part()?)))
}

/// An index. From YAML its expressions are as written; from the catalogs they are as the server prints them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    /// The relation that carries it.
    pub table: QualifiedName,
    /// Its name, in the schema of the relation.
    pub name: Ident,
    /// What it indexes and how. A difference here needs a new index.
    #[serde(flatten)]
    pub definition: Definition,
    /// Storage parameters; `None` where they are not declared, and then not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Parameters>,
    /// `None`: not declared, or the database's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<Ident>,
    /// `None`: not declared, or there is none. Declared as empty: there shall be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The part of an index that decides what it can answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Definition {
    /// The access method, such as `btree` or `gin`.
    pub method: Ident,
    /// Whether two rows may not agree in all keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Whether NULLs count as equal in a unique index (PostgreSQL 15 on).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nulls_not_distinct: bool,
    /// The key columns and expressions, in order.
    pub columns: Vec<Key>,
    /// Columns that ride along without being searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Ident>,
    /// Only rows for which this is true are in the index.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Fragment>,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What is indexed.
    #[serde(flatten)]
    pub term: Term,
    /// `None`: the one that the column's type has anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<PathName>,
    /// `None`: the default one of the type and method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opclass: Option<PathName>,
    /// Parameters of the operator class.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub opclass_parameters: Parameters,
    /// Which way it is sorted.
    #[serde(default, skip_serializing_if = "Order::is_default")]
    pub order: Order,
    /// Where NULLs stand in that order.
    pub nulls: Nulls,
}

/// A column, or an expression over columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A column of the relation.
    Column(Ident),
    /// An expression over its columns.
    Expression(Fragment),
}

/// Sort direction of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

impl Order {
    // serde's skip_serializing_if hands over a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    fn is_default(&self) -> bool {
        *self == Self::Asc
    }

    /// Where NULLs stand when nothing is said: as if larger than every value.
    #[must_use]
    pub fn default_nulls(self) -> Nulls {
        match self {
            Self::Asc => Nulls::Last,
            Self::Desc => Nulls::First,
        }
    }
}

/// Where NULLs stand in the order of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Before every value.
    First,
    /// After every value.
    Last,
}

/// A name that is looked up along the search path where no schema is given.
/// In canonical form, objects of `pg_catalog` have no schema and all others have theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathName {
    /// `None`: along the search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Ident>,
    /// The name.
    pub name: Ident,
}

impl PathName {
    /// As SQL reads it.
    #[must_use]
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", schema.quoted(), self.name.quoted()),
            None => self.name.quoted(),
        }
    }
}

impl Index {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.table, &self.name)
    }

    /// The index as a relation of its own: the schema is its table's.
    #[must_use]
    pub fn relation(&self) -> QualifiedName {
        self.table.sibling(self.name.clone())
    }
}

impl Definition {
    /// Whether it holds SQL that only a server can bring into canonical form.
    #[must_use]
    pub fn has_fragments(&self) -> bool {
        self.fragments().next().is_some()
    }

    /// Its expressions in key order, then its predicate.
    pub fn fragments(&self) -> impl Iterator<Item = (FragmentPlace, &Fragment)> {
        let keys = self.columns.iter().enumerate().filter_map(|(position, key)| match &key.term {
            Term::Column(_) => None,
            Term::Expression(fragment) => Some((FragmentPlace::Key(position), fragment)),
        });
        keys.chain(self.predicate.iter().map(|predicate| (FragmentPlace::Predicate, predicate)))
    }

    /// The columns that it names outright, in keys and INCLUDE.
    pub fn named_columns(&self) -> impl Iterator<Item = (ColumnPlace, &Ident)> {
        let keys = self.columns.iter().enumerate().filter_map(|(position, key)| match &key.term {
            Term::Column(column) => Some((ColumnPlace::Key(position), column)),
            Term::Expression(_) => None,
        });
        keys.chain(self.include.iter().enumerate().map(|(position, column)| (ColumnPlace::Include(position), column)))
    }
}

/// Where in a definition a fragment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentPlace {
    /// The key at this position, from 0.
    Key(usize),
    /// The WHERE clause.
    Predicate,
}

/// Where in a definition a column is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnPlace {
    /// The key at this position, from 0.
    Key(usize),
    /// The INCLUDE item at this position, from 0.
    Include(usize),
}
