//! How a row of `catalog.sql` becomes an index. `read` asks for the rows.

use std::collections::{BTreeMap, HashMap};

use super::{Definition, Index, IndexState, Key, LiveIndex, Nulls, Order, PathName, Term};
use crate::postgres::{
    fragment::Fragment,
    name::{Ident, QualifiedName},
    parameters::Parameters,
};

/// The columns of a relation, by number.
pub type Columns = BTreeMap<i16, Column>;

/// A row of `catalog.sql`. The lists have an item for each column of the index, keys first.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a row has the columns that the catalog has")]
pub struct IndexRow {
    /// The index.
    pub oid: u32,
    /// The relation that carries it.
    pub table_oid: u32,
    /// Its name.
    pub name: String,
    /// Its access method.
    pub method: String,
    /// `indisunique`, but for the index of an exclusion constraint.
    pub unique: bool,
    /// `indnullsnotdistinct`; false before PostgreSQL 15.
    pub nulls_not_distinct: bool,
    /// `indisvalid`, `indisready` and `indislive`
    pub valid: bool,
    /// The process of the session that is building it.
    pub builder: Option<i32>,
    /// `indisreplident`
    pub replica_identity: bool,
    /// `indisclustered`
    pub clustered: bool,
    /// The number of key columns.
    pub keys: usize,
    /// The column numbers in the relation. 0 is an expression.
    pub columns: Vec<i16>,
    /// Operator classes of the keys.
    pub opclasses: Vec<u32>,
    /// Collations of the keys. 0: the type has none.
    pub collations: Vec<u32>,
    /// Bit 1: descending; bit 2: NULLs first.
    pub options: Vec<i16>,
    /// The expression keys in order, as printed.
    pub expressions: Vec<String>,
    /// The types of the expression keys.
    pub expression_types: Vec<u32>,
    /// The predicate as printed.
    pub predicate: Option<String>,
    /// The storage parameters, each as `name=value`.
    pub parameters: Vec<String>,
    /// The operator class parameters of each column as `name=value, …`. The list is empty if no column has any.
    pub opclass_parameters: Vec<Option<String>>,
    /// Its tablespace, if it is not the database's default.
    pub tablespace: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// The constraint that it backs.
    pub constraint: Option<String>,
    /// Foreign keys of other tables that need it.
    pub needed_by: Vec<String>,
    /// The parent's index that it is attached to.
    pub attached_to: Option<u32>,
    /// Columns with a statistics target, each as `column number:target`.
    pub statistics: Vec<String>,
    /// Not `indimmediate`: it belongs to a constraint that can be deferred.
    pub deferrable: bool,
    /// The extensions that it depends on.
    pub extensions: Vec<String>,
}

/// A column of the relation that carries an index.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type. A domain is replaced by its base type.
    pub type_oid: u32,
    /// Its collation. 0: the type has none.
    pub collation: u32,
}

/// An operator class.
#[derive(Clone, Debug)]
pub struct OpClass {
    /// Its name. The schema is given if it is not `pg_catalog`.
    pub name: PathName,
    /// Its access method.
    pub method: String,
    /// The type that it was made for.
    pub input_type: u32,
    /// Whether it is the default class of that type.
    pub default: bool,
    /// Whether the index stores another type than its input.
    pub stores_other: bool,
}

/// The objects that index rows refer to by OID.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Operator classes.
    pub opclasses: HashMap<u32, OpClass>,
    /// Collations.
    pub collations: HashMap<u32, PathName>,
    /// Types that have a default class of their own, by access method.
    pub exact_defaults: HashMap<(String, u32), u32>,
}

/// `pg_collation.oid` of the database's default collation.
const DEFAULT_COLLATION: u32 = 100;

impl Names {
    /// Adds an operator class.
    pub fn add_opclass(&mut self, oid: u32, opclass: OpClass) {
        if opclass.default {
            self.exact_defaults.insert((opclass.method.clone(), opclass.input_type), oid);
        }
        self.opclasses.insert(oid, opclass);
    }

    /// Whether a class of this name is the default of some type. The name alone tells no more.
    #[must_use]
    pub fn is_default(&self, name: &PathName, method: &str) -> bool {
        self.opclasses.values().any(|class| {
            let of_schema = match &name.schema {
                Some(schema) if schema.as_str() == "pg_catalog" => class.name.schema.is_none(),
                Some(_) => name.schema == class.name.schema,
                None => true,
            };
            class.default && class.method == method && class.name.name == name.name && of_schema
        })
    }

    /// The name of the class. `None`: it is the default of the type (`GetDefaultOpClass`), which is the class made for this
    /// type, or else one that accepts it as binary-compatible or polymorphic.
    fn opclass(&self, oid: u32, type_oid: u32, method: &str, forced: bool) -> Option<PathName> {
        let class = self.opclasses.get(&oid)?;
        let exact = self.exact_defaults.get(&(method.to_owned(), type_oid));
        // A hash index stores hashes, whatever its class says.
        let stores_other = class.stores_other || method == "hash";
        let is_default = class.default && (stores_other || exact.is_none_or(|default| *default == oid));
        if is_default && !forced { None } else { Some(class.name.clone()) }
    }
}

/// Makes an index from a row.
///
/// # Panics
/// The row contradicts itself, which is an error in `catalog.sql`.
#[must_use]
pub fn decode(row: IndexRow, table: &QualifiedName, columns: &Columns, names: &Names) -> LiveIndex {
    let mut expressions = row.expressions.iter().zip(&row.expression_types);
    let keys = (0..row.keys)
        .map(|position| {
            let column = columns.get(&row.columns[position]);
            let (term, type_oid, own_collation) = match column {
                Some(column) => (Term::Column(column.name.clone()), column.type_oid, Some(column.collation)),
                None => match expressions.next() {
                    Some((text, type_oid)) => {
                        (Term::Expression(Fragment::from_server(text)), *type_oid, derived_collation(text, columns))
                    }
                    None => panic!("index {} has a key that is neither column nor expression", row.name),
                },
            };
            let parameters = row.opclass_parameters.get(position).cloned().flatten();
            let parameters = parameters.map(|text| parameters_of(text.split(", "))).unwrap_or_default();
            let collation = row.collations.get(position).copied().unwrap_or(0);
            let option = row.options.get(position).copied().unwrap_or(0);
            Key {
                term,
                collation: names.collations.get(&collation).filter(|_| Some(collation) != own_collation).cloned(),
                opclass: names.opclass(row.opclasses[position], type_oid, &row.method, !parameters.is_empty()),
                opclass_parameters: parameters,
                order: if option & 1 == 0 { Order::Asc } else { Order::Desc },
                nulls: if option & 2 == 0 { Nulls::Last } else { Nulls::First },
            }
        })
        .collect();
    let include = row.columns[row.keys..].iter().filter_map(|number| columns.get(number)).map(|c| c.name.clone());
    let definition = Definition {
        unique: row.unique,
        nulls_not_distinct: row.nulls_not_distinct,
        columns: keys,
        include: include.collect(),
        predicate: row.predicate.as_deref().map(Fragment::from_server),
        method: Ident::from_server(&row.method),
    };
    let state = match (row.valid, row.builder) {
        (true, _) => IndexState::Valid,
        (false, Some(pid)) => IndexState::Building { pid },
        (false, None) => IndexState::Invalid,
    };
    let with = parameters_of(row.parameters.iter().map(String::as_str));
    let index = Index {
        table: table.clone(),
        name: Ident::from_server(&row.name),
        definition,
        with: Some(with).filter(|with| !with.is_empty()),
        tablespace: row.tablespace.as_deref().map(Ident::from_server),
        comment: row.comment,
    };
    let statistics = row.statistics.iter().filter_map(|pair| {
        let (column, target) = pair.split_once(':')?;
        Some((column.parse().ok()?, target.parse().ok()?))
    });
    LiveIndex {
        index,
        oid: row.oid,
        state,
        constraint: row.constraint,
        needed_by: row.needed_by,
        attached_to: row.attached_to,
        replica_identity: row.replica_identity,
        clustered: row.clustered,
        statistics: statistics.collect(),
        deferrable: row.deferrable,
        extensions: row.extensions.iter().map(|name| Ident::from_server(name)).collect(),
    }
}

/// The collation that an expression has by itself. The catalogs do not say it. It differs from the default only if a column
/// or a COLLATE clause brings in another one, and then the index always names its collation.
fn derived_collation(expression: &str, columns: &Columns) -> Option<u32> {
    let brings_one_in = |column: &Column| !matches!(column.collation, 0 | DEFAULT_COLLATION);
    let may_differ = expression.contains("COLLATE") || columns.values().any(brings_one_in);
    if may_differ { None } else { Some(DEFAULT_COLLATION) }
}

fn parameters_of<'a>(pairs: impl Iterator<Item = &'a str>) -> Parameters {
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (Ident::from_server(name), value.to_owned()))
        .collect()
}
