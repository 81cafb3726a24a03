//! How an index is written in YAML, and what that means. `check`, which knows the live side, tells whether its columns and
//! classes exist.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::{DEFAULT_METHOD, Definition, Index, Key, MAX_COLUMNS, Nulls, Order, PathName, Term};
use crate::{
    declared::{Body, Declared},
    postgres::{
        fragment::Fragment,
        name::{Ident, QualifiedName, split_parts},
        parameters::{At, ParameterSpec, Parameters, checked, lower_parameters},
    },
    problem::Problem,
    source::Source,
};

/// An index: its columns alone, or a map with everything an index can have.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum IndexSpec {
    /// `idx: [a, b desc]`
    Columns(Vec<ColumnSpec>),
    /// `idx: { columns: […], where: … }`
    Full(Box<FullSpec>),
}

/// Everything an index can have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullSpec {
    /// Key columns and expressions, in order.
    #[schemars(length(min = 1, max = 32))]
    pub columns: Vec<ColumnSpec>,
    /// Access method; `btree` where not given.
    #[serde(default)]
    pub method: Option<String>,
    /// Whether no two rows may agree in all keys.
    #[serde(default)]
    pub unique: bool,
    /// Whether NULLs count as equal in a unique index (PostgreSQL 15 on).
    #[serde(default)]
    pub nulls_not_distinct: bool,
    /// Columns that are stored for index-only scans.
    #[serde(default)]
    pub include: Vec<String>,
    /// SQL predicate: only rows for which it is true are indexed.
    #[serde(default, rename = "where")]
    pub predicate: Option<String>,
    /// Storage parameters such as `fillfactor`. Where given, it is the whole set; not given, they are left alone.
    #[serde(default)]
    pub with: Option<BTreeMap<String, ParameterSpec>>,
    /// Tablespace; left alone where not given.
    #[serde(default)]
    pub tablespace: Option<String>,
    /// Comment; left alone where not given, removed where empty.
    #[serde(default)]
    pub comment: Option<String>,
    /// Never dropped or replaced, while the rest applies.
    #[serde(default)]
    pub protect: bool,
}

/// A key: `name [asc|desc] [nulls first|last]`, or a map.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum ColumnSpec {
    /// `sold_at desc nulls last`
    Text(String),
    /// `{ expression: lower(sku), opclass: text_pattern_ops }`
    Full(Box<FullColumnSpec>),
}

/// A key with everything it can have: exactly one of `column` and `expression`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullColumnSpec {
    /// A column, by its exact name.
    #[serde(default)]
    pub column: Option<String>,
    /// An SQL expression over the columns of the row.
    #[serde(default)]
    pub expression: Option<String>,
    /// Sort direction; `asc` where not given.
    #[serde(default)]
    pub order: Option<Order>,
    /// Where NULLs stand; last for `asc`, first for `desc`.
    #[serde(default)]
    pub nulls: Option<Nulls>,
    /// Operator class, `name` or `schema.name`.
    #[serde(default)]
    pub opclass: Option<String>,
    /// Parameters of the operator class.
    #[serde(default)]
    pub opclass_parameters: BTreeMap<String, ParameterSpec>,
    /// Collation, `name` or `schema.name`.
    #[serde(default)]
    pub collation: Option<String>,
}

/// Reads the specification of the index `name` on `table`.
///
/// # Errors
/// Reports every invalid name, fragment or combination, each at its place below `at`.
pub fn lower(
    table: &QualifiedName,
    name: &str,
    spec: &IndexSpec,
    at: &Source,
) -> Result<Declared<Index>, Vec<Problem>> {
    let mut problems = Vec::new();
    let short = FullSpec::default();
    let (columns, columns_at, full) = match spec {
        IndexSpec::Columns(columns) => (columns, at.clone(), &short),
        IndexSpec::Full(full) => (&full.columns, at.key("columns"), &**full),
    };
    let name = checked(Ident::new(name), || at.clone(), &mut problems, Problem::on_key);
    if columns.is_empty() {
        problems.push(Problem::new(&columns_at, "an index needs at least one column"));
    }
    if columns.len() + full.include.len() > MAX_COLUMNS {
        let message = format!("an index has at most {MAX_COLUMNS} columns, keys and INCLUDE together");
        problems.push(Problem::new(&columns_at, message));
    }
    if full.nulls_not_distinct && !full.unique {
        let problem = Problem::new(&at.key("nulls_not_distinct"), "only a unique index can treat NULLs as equal");
        problems.push(problem.hint("add `unique: true`"));
    }
    let keys: Vec<_> = columns
        .iter()
        .enumerate()
        .filter_map(|(position, column)| lower_column(column, &|| columns_at.item(position), &mut problems))
        .collect();
    let include = full.include.iter().enumerate().filter_map(|(position, column)| {
        checked(Ident::new(column), || at.key("include").item(position), &mut problems, |p| p)
    });
    let include: Vec<_> = include.collect();
    let method = full.method.as_deref().unwrap_or(DEFAULT_METHOD);
    let method = checked(Ident::new(method), || at.key("method"), &mut problems, |p| p);
    let predicate = full.predicate.as_ref();
    let predicate = predicate.and_then(|text| lower_fragment(text, &|| at.key("where"), &mut problems));
    let with = full.with.as_ref().map(|with| lower_parameters(with, &|| at.key("with"), &mut problems));
    let tablespace = full.tablespace.as_ref();
    let tablespace =
        tablespace.and_then(|name| checked(Ident::new(name), || at.key("tablespace"), &mut problems, |p| p));
    if full.comment.as_ref().is_some_and(|comment| comment.contains('\0')) {
        problems.push(Problem::new(&at.key("comment"), "the text contains a NUL byte, which PostgreSQL cannot store"));
    }
    let (Some(name), Some(method), true) = (name, method, problems.is_empty()) else {
        return Err(problems);
    };
    let definition = Definition {
        method,
        unique: full.unique,
        nulls_not_distinct: full.nulls_not_distinct,
        columns: keys,
        include,
        predicate,
    };
    let index = Index { table: table.clone(), name, definition, with, tablespace, comment: full.comment.clone() };
    let body = match spec {
        IndexSpec::Columns(_) => Body::Whole,
        IndexSpec::Full(_) => Body::Key("columns"),
    };
    Ok(Declared { protect: full.protect, ..Declared::new(index, at.clone(), body) })
}

fn lower_column(spec: &ColumnSpec, at: At<'_>, problems: &mut Vec<Problem>) -> Option<Key> {
    let full = match spec {
        ColumnSpec::Text(text) => return lower_text_column(text, at, problems),
        ColumnSpec::Full(full) => full,
    };
    let term = match (&full.column, &full.expression) {
        (Some(column), None) => checked(Ident::new(column), || at().key("column"), problems, |p| p).map(Term::Column),
        (None, Some(text)) => lower_fragment(text, &|| at().key("expression"), problems).map(Term::Expression),
        (None, None) => {
            problems.push(Problem::new(&at(), "a column needs `column` or `expression`"));
            None
        }
        (Some(_), Some(_)) => {
            problems.push(Problem::new(&at(), "a column has either `column` or `expression`, not both"));
            None
        }
    };
    let order = full.order.unwrap_or_default();
    let opclass_parameters = lower_parameters(&full.opclass_parameters, &|| at().key("opclass_parameters"), problems);
    if full.opclass.is_none() && !opclass_parameters.is_empty() {
        let problem =
            Problem::new(&at().key("opclass_parameters"), "parameters need the operator class they belong to");
        problems.push(problem.hint("add `opclass:`; SQL cannot give parameters to the default class"));
    }
    let opclass = lower_path_name(full.opclass.as_deref(), &|| at().key("opclass"), problems);
    let collation = lower_path_name(full.collation.as_deref(), &|| at().key("collation"), problems);
    Some(Key {
        term: term?,
        collation,
        opclass,
        opclass_parameters,
        order,
        nulls: full.nulls.unwrap_or(order.default_nulls()),
    })
}

/// Reads `name [asc|desc] [nulls first|last]` from the right, so that a name may contain spaces.
fn lower_text_column(text: &str, at: At<'_>, problems: &mut Vec<Problem>) -> Option<Key> {
    let mut rest = text.trim();
    let mut take = |word: &str| {
        let cut = rest.len().checked_sub(word.len())?;
        let tail = rest.get(cut..)?;
        let head = rest.get(..cut)?;
        let apart = head.ends_with(char::is_whitespace) && !head.trim_end().is_empty();
        if !(tail.eq_ignore_ascii_case(word) && apart) {
            return None;
        }
        rest = head.trim_end();
        Some(())
    };
    let nulls =
        if take("nulls first").is_some() { Some(Nulls::First) } else { take("nulls last").map(|()| Nulls::Last) };
    let order = if take("desc").is_some() {
        Order::Desc
    } else {
        let _explicit = take("asc");
        Order::Asc
    };
    let column = if rest.starts_with('"') {
        split_parts(rest).and_then(|mut parts| match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Err(crate::postgres::name::NameError::TooManyParts(rest.to_owned())),
        })
    } else {
        Ident::new(rest)
    };
    let column = checked(column, at, problems, |p| p)?;
    Some(Key {
        term: Term::Column(column),
        collation: None,
        opclass: None,
        opclass_parameters: Parameters::new(),
        order,
        nulls: nulls.unwrap_or(order.default_nulls()),
    })
}

fn lower_fragment(text: &str, at: At<'_>, problems: &mut Vec<Problem>) -> Option<Fragment> {
    match Fragment::new(text) {
        Ok(fragment) => Some(fragment),
        Err(error) => {
            let problem = Problem::new(&at(), error.message).on_text(error.offset);
            problems.push(problem.hint("write one complete SQL expression"));
            None
        }
    }
}

fn lower_path_name(text: Option<&str>, at: At<'_>, problems: &mut Vec<Problem>) -> Option<PathName> {
    let parts = checked(split_parts(text?), at, problems, |p| p)?;
    match <[Ident; 2]>::try_from(parts) {
        Ok([schema, name]) => Some(PathName { schema: Some(schema), name }),
        Err(mut parts) if parts.len() == 1 => Some(PathName { schema: None, name: parts.remove(0) }),
        Err(_) => {
            problems.push(Problem::new(&at(), "expected `name` or `schema.name`"));
            None
        }
    }
}

struct IndexVisitor;

impl<'de> Visitor<'de> for IndexVisitor {
    type Value = IndexSpec;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of columns, or a map with `columns`")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<IndexSpec, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(items)).map(IndexSpec::Columns)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IndexSpec, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(IndexSpec::Full)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = ColumnSpec;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`name [asc|desc] [nulls first|last]`, or a map with `column` or `expression`")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<ColumnSpec, E> {
        Ok(ColumnSpec::Text(text.to_owned()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnSpec, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(ColumnSpec::Full)
    }
}

impl<'de> Deserialize<'de> for IndexSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(IndexVisitor)
    }
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ColumnVisitor)
    }
}
