//! Writes declarations as YAML that reads back as the same declarations, in the shortest form. Which declarations are
//! written is left to `import`.

mod emit;

use std::collections::BTreeSet;

use reconcile_core::{
    declared::Declared,
    kinds::{
        index::{
            DEFAULT_METHOD, DesiredRelation, Index, Key, Nulls, Order, PathName, Term,
            spec::{ColumnSpec, IndexSpec, lower},
        },
        matview::{
            Matview,
            grants::{Grants, Privilege, Rights},
        },
    },
    postgres::{fragment::Fragment, name::Ident, parameters::Parameters},
    source::{FileId, Source},
};

use serde_yaml::{Mapping, Value};

/// The text of a file with relations and materialized views, each with its indexes.
#[must_use]
pub fn schema_yaml(tables: &[DesiredRelation], views: &[Matview]) -> String {
    let of_tables = tables.iter().map(|relation| (Value::from(relation.name.to_string()), table(relation)));
    let of_views = views.iter().map(|view| (Value::from(view.name.to_string()), matview(view)));
    let mut file = Map::default();
    file.put_if(!tables.is_empty(), "tables", of_tables.collect::<Mapping>());
    file.put_if(!views.is_empty(), "materialized_views", of_views.collect::<Mapping>());
    emit::text(file.finish())
}

fn table(relation: &DesiredRelation) -> Value {
    let mut table = Map::default();
    table.put_if(relation.prune, "prune", true);
    let declared = relation.indexes.iter().map(|declared: &Declared<Index>| (&declared.object, declared.protect));
    table.put_indexes(declared);
    table.finish()
}

/// A view as the catalogs have it. They do not know its refresh. A query of several lines becomes a literal block, if a block reads back the same.
fn matview(view: &Matview) -> Value {
    let mut map = Map::default();
    map.put_if(true, "query", view.query.as_str());
    map.put_if(!view.with_data, "with_data", false);
    map.put_some("with", view.with.as_ref().map(parameters));
    map.put_some("tablespace", view.tablespace.as_ref().map(Ident::as_str));
    map.put_some("comment", view.comment.as_deref());
    map.put_some("grants", view.grants.as_ref().map(grants));
    map.put_indexes(view.indexes.iter().map(|index| (index, false)));
    map.finish()
}

/// The rights by role: a list, or a map if the role may grant them to others.
fn grants(grants: &Grants) -> Value {
    let words = |privileges: &BTreeSet<Privilege>| {
        privileges.iter().map(|privilege| Value::from(privilege.word().to_lowercase())).collect::<Vec<_>>()
    };
    let of_role = |(role, rights): (&Ident, &Rights)| {
        let rights = if rights.grantable.is_empty() {
            Value::from(words(&rights.privileges))
        } else {
            let mut full = Map::default();
            full.put_if(true, "privileges", words(&rights.grantable));
            full.put_if(true, "grant_option", true);
            full.finish()
        };
        (Value::from(role.as_str()), rights)
    };
    Value::from(grants.0.iter().map(of_role).collect::<Mapping>())
}

/// The list of its columns if that is all there is to say, or else a map.
fn index(index: &Index, protect: bool) -> Value {
    let definition = &index.definition;
    let columns: Vec<_> = definition.columns.iter().map(|key| column(index, key)).collect();
    let mut map = Map::default();
    let method = definition.method.as_str();
    map.put_if(method != DEFAULT_METHOD, "method", method);
    map.put_if(definition.unique, "unique", true);
    map.put_if(definition.nulls_not_distinct, "nulls_not_distinct", true);
    let include: Vec<_> = definition.include.iter().map(|column| Value::from(column.as_str())).collect();
    map.put_if(!include.is_empty(), "include", include);
    map.put_some("where", definition.predicate.as_ref().map(Fragment::as_str));
    map.put_some("with", index.with.as_ref().map(parameters));
    map.put_some("tablespace", index.tablespace.as_ref().map(Ident::as_str));
    map.put_some("comment", index.comment.as_deref());
    map.put_if(protect, "protect", true);
    if map.0.is_empty() {
        return Value::from(columns);
    }
    let mut full = Map::default();
    full.put_if(true, "columns", columns);
    full.0.extend(map.0);
    full.finish()
}

/// A key as text if that reads back as the same key, or else as a map.
fn column(index: &Index, key: &Key) -> Value {
    if let Some(text) = text_form(key)
        && reads_back(index, key, &text)
    {
        return Value::from(text);
    }
    let mut map = Map::default();
    match &key.term {
        Term::Column(column) => map.put_if(true, "column", column.as_str()),
        Term::Expression(expression) => map.put_if(true, "expression", expression.as_str()),
    }
    map.put_if(key.order == Order::Desc, "order", "desc");
    map.put_if(key.nulls != key.order.default_nulls(), "nulls", nulls(key.nulls));
    map.put_some("opclass", key.opclass.as_ref().map(path_name));
    let of_class = &key.opclass_parameters;
    map.put_if(!of_class.is_empty(), "opclass_parameters", parameters(of_class));
    map.put_some("collation", key.collation.as_ref().map(path_name));
    map.finish()
}

/// A map without the entries that have their default values.
#[derive(Default)]
struct Map(Mapping);

impl Map {
    fn put_if(&mut self, needed: bool, key: &'static str, value: impl Into<Value>) {
        if needed {
            self.0.insert(Value::from(key), value.into());
        }
    }

    fn put_some(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put_if(true, key, value);
        }
    }

    /// Adds indexes by name. Each comes with a flag that says whether it is protected.
    fn put_indexes<'i>(&mut self, indexes: impl Iterator<Item = (&'i Index, bool)>) {
        let indexes: Mapping =
            indexes.map(|(own, protect)| (Value::from(own.name.as_str()), index(own, protect))).collect();
        self.put_if(!indexes.is_empty(), "indexes", indexes);
    }

    fn finish(self) -> Value {
        Value::from(self.0)
    }
}

fn text_form(key: &Key) -> Option<String> {
    let Term::Column(column) = &key.term else { return None };
    let mut text = column.as_str().to_owned();
    match key.order {
        Order::Asc => {}
        Order::Desc => text.push_str(" desc"),
    }
    if key.nulls != key.order.default_nulls() {
        text.push_str(" nulls ");
        text.push_str(nulls(key.nulls));
    }
    Some(text)
}

fn nulls(nulls: Nulls) -> &'static str {
    match nulls {
        Nulls::First => "first",
        Nulls::Last => "last",
    }
}

/// Whether the text reads back as the key. The reader itself decides, because it knows what it takes for `desc`.
fn reads_back(index: &Index, key: &Key, text: &str) -> bool {
    let spec = IndexSpec::Columns(vec![ColumnSpec::Text(text.to_owned())]);
    let lowered = lower(&index.table, index.name.as_str(), &spec, &Source::file(FileId(0)));
    lowered.is_ok_and(|lowered| lowered.object.definition.columns == [key.clone()])
}

fn parameters(parameters: &Parameters) -> Value {
    let one = |(name, value): (&Ident, &String)| (Value::from(name.as_str()), parameter(value));
    Value::from(parameters.iter().map(one).collect::<Mapping>())
}

/// A parameter's value. A number is written without quotes if it reads back the same.
fn parameter(value: &str) -> Value {
    let number = value.parse::<i64>().ok().filter(|number| number.to_string() == value);
    number.map_or_else(|| Value::from(value), Value::from)
}

fn path_name(name: &PathName) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.to_string(),
    }
}
