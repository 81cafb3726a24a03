//! An index, on both sides of the comparison. `spec` is its form in YAML, `catalog` reads it from the catalogs, `compare`
//! tells whether two are the same, `steps` has the statements of a change.

mod ask;
pub mod canonical;
pub mod catalog;
mod change;
pub mod check;
pub mod claims;
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
pub(in crate::kinds) use change::managed as record;
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

/// The kind of indexes.
#[derive(Debug)]
pub enum Indexes {}

/// The declared and the live side of indexes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The declared relations, sorted by name.
    pub desired: &'a [DesiredRelation],
    /// The live side.
    pub live: &'a Live,
}

impl<'a> View<'a> {
    /// The declaration of a relation.
    #[must_use]
    pub fn desired(self, name: &QualifiedName) -> Option<&'a DesiredRelation> {
        desired::relation(self.desired, name)
    }

    /// The declared indexes that only the server can judge, with what carries them.
    pub fn unsettled(self) -> impl Iterator<Item = (&'a Declared<Index>, &'a Carrier)> {
        self.on_relations().filter(move |(declared, carrier)| self.is_unsettled(declared, carrier))
    }

    /// The unsettled ones, and those without an index of their name and definition. One of these may have to be built
    /// although its definition is settled by another index.
    pub fn unsettled_or_missing(self) -> impl Iterator<Item = (&'a Declared<Index>, &'a Carrier)> {
        self.on_relations().filter(move |(declared, carrier)| {
            let index = &declared.object;
            let stands = carrier
                .indexes
                .get(&index.name)
                .is_some_and(|own| self.live.recorded.contains(&own.oid) || own.index.definition == index.definition);
            !stands || self.is_unsettled(declared, carrier)
        })
    }

    fn is_unsettled(self, declared: &Declared<Index>, carrier: &Carrier) -> bool {
        self.live.unsettled.get(&carrier.name).is_some_and(|names| names.contains(&declared.object.name))
    }

    /// The declared indexes of relations that exist.
    fn on_relations(self) -> impl Iterator<Item = (&'a Declared<Index>, &'a Carrier)> {
        let live = self.live;
        let of_relation = move |desired: &'a DesiredRelation| {
            let carrier = live.relations.get(&desired.name)?;
            Some(desired.indexes.iter().map(move |declared| (declared, carrier)))
        };
        self.desired.iter().filter_map(of_relation).flatten()
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
    // An address without a part sorts before those with one.
    let first = Address::new(Indexes::NAME, table);
    let of_table = registry.managed.range(first..).map(|(address, _)| address);
    let of_table = of_table.take_while(move |address| *address.kind() == Indexes::NAME && address.relation() == table);
    of_table.filter_map(|address| Some((address, address.part()?)))
}

/// A managed index of a relation that was applied with `protect: true`.
#[must_use]
pub fn protected<'a>(registry: &'a Registry, table: &'a QualifiedName) -> Option<&'a Ident> {
    managed(registry, table).find(|(address, _)| registry.protects(address)).map(|(_, name)| name)
}

/// An index. Its expressions are as written if it comes from YAML, and as the server prints them if it comes from the catalogs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    /// The relation that carries it.
    pub table: QualifiedName,
    /// Its name, in the schema of the relation.
    pub name: Ident,
    /// What it indexes and how. A difference here needs a new index.
    #[serde(flatten)]
    pub definition: Definition,
    /// Storage parameters. `None`: they are not declared, and not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Parameters>,
    /// Its tablespace. `None`: it is not declared, or it is the database's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<Ident>,
    /// Its comment. `None`: it is not declared, or there is none. An empty comment is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The part of an index that decides which queries it can serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Definition {
    /// The access method, such as `btree` or `gin`.
    pub method: Ident,
    /// Whether it refuses two rows that are equal in all keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Whether NULLs count as equal in a unique index (PostgreSQL 15 on).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nulls_not_distinct: bool,
    /// The key columns and expressions, in order.
    pub columns: Vec<Key>,
    /// Columns that the index stores without searching them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Ident>,
    /// The index has only the rows for which this is true.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Fragment>,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What is indexed.
    #[serde(flatten)]
    pub term: Term,
    /// Its collation. `None`: the collation of the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<PathName>,
    /// Its operator class. `None`: the default of the type and method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opclass: Option<PathName>,
    /// Parameters of the operator class.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub opclass_parameters: Parameters,
    /// Its sort direction.
    #[serde(default, skip_serializing_if = "Order::is_default")]
    pub order: Order,
    /// The position of NULLs in that order.
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
    // serde's skip_serializing_if passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    fn is_default(&self) -> bool {
        *self == Self::Asc
    }

    /// The position of NULLs if none is given: they count as larger than every value.
    #[must_use]
    pub fn default_nulls(self) -> Nulls {
        match self {
            Self::Asc => Nulls::Last,
            Self::Desc => Nulls::First,
        }
    }
}

/// The position of NULLs in the order of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Before every value.
    First,
    /// After every value.
    Last,
}

/// A name that may be looked up along the search path.
/// In canonical form, objects of `pg_catalog` have no schema, and all others have theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathName {
    /// The schema. `None`: the name is looked up along the search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Ident>,
    /// The name.
    pub name: Ident,
}

impl PathName {
    /// The name as SQL reads it.
    #[must_use]
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", schema.quoted(), self.name.quoted()),
            None => self.name.quoted(),
        }
    }
}

impl Index {
    /// The address in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.table, &self.name)
    }

    /// The name of the index as a relation. Its schema is that of its table.
    #[must_use]
    pub fn relation(&self) -> QualifiedName {
        self.table.sibling(self.name.clone())
    }
}

impl Definition {
    /// Whether it has SQL that only a server can bring into canonical form.
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

    /// The columns that it names directly, in keys and INCLUDE.
    pub fn named_columns(&self) -> impl Iterator<Item = (ColumnPlace, &Ident)> {
        let keys = self.columns.iter().enumerate().filter_map(|(position, key)| match &key.term {
            Term::Column(column) => Some((ColumnPlace::Key(position), column)),
            Term::Expression(_) => None,
        });
        keys.chain(self.include.iter().enumerate().map(|(position, column)| (ColumnPlace::Include(position), column)))
    }
}

/// The position of a fragment in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentPlace {
    /// The key at this position, from 0.
    Key(usize),
    /// The WHERE clause.
    Predicate,
}

/// The position of a column name in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnPlace {
    /// The key at this position, from 0.
    Key(usize),
    /// The INCLUDE item at this position, from 0.
    Include(usize),
}
