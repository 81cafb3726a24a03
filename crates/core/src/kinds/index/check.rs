//! Whether a declared index is possible on its relation, as far as names tell. The server checks its expressions.

use super::{Carrier, ColumnPlace, DesiredRelation, Index, Live, Term, View, names::part_names};
use crate::{
    change::Note,
    declared::Declared,
    kind::{Context, Projection},
    postgres::{
        name::{Ident, QualifiedName},
        relation::{RelationKind, in_another_schema, names, suggest},
    },
    problem::Problem,
    server::Vocabulary,
    source::Source,
};

/// `server_version_num` of the first server with NULLS NOT DISTINCT.
const NULLS_NOT_DISTINCT_SINCE: u32 = 150_000;

/// The number of relations that do not exist, and of which nothing is declared, that notes name.
const NAMED_WHEN_GONE: usize = 5;

/// The relation on the server that the declaration names.
///
/// # Errors
/// The relation does not exist, or cannot have indexes.
pub fn relation<'a>(
    desired: &DesiredRelation,
    live: &'a Live,
    vocabulary: &Vocabulary,
) -> Result<&'a Carrier, Problem> {
    let Some(relation) = live.relations.get(&desired.name) else {
        let message = format!("there is no table or materialized view `{}`", desired.name);
        let problem = Problem::new(&desired.at, message).on_key();
        return Err(suggest(problem, &desired.name, &vocabulary.relations));
    };
    if relation.is_system_catalog() {
        let message = format!("`{}` is a catalog of the server, which takes no indexes", desired.name);
        return Err(Problem::new(&desired.at, message).on_key());
    }
    if relation.kind == RelationKind::Foreign {
        let message = format!(
            "`{}` is a foreign table, which cannot have indexes: create them on the server that holds its rows",
            desired.name
        );
        return Err(Problem::new(&desired.at, message).on_key());
    }
    Ok(relation)
}

/// Whether a relation does not exist of which no index is declared. Tables come and go, and nothing is amiss then.
pub(super) fn is_gone(desired: &DesiredRelation, live: &Live) -> bool {
    desired.indexes.is_empty() && !live.relations.contains_key(&desired.name)
}

/// Notes on such relations: one for each, or for all of them if they are many.
pub(super) fn notes_on_gone(context: Context<'_>, view: View<'_>, ahead: &Projection) -> Vec<Note> {
    let gone = view.desired.iter().filter(|relation| is_gone(relation, view.live));
    let gone: Vec<_> = gone.map(|relation| &relation.name).filter(|name| !ahead.takes_indexes_along(name)).collect();
    if gone.len() > NAMED_WHEN_GONE {
        let (named, more) = gone.split_at(NAMED_WHEN_GONE);
        let named: Vec<_> = named.iter().map(|name| format!("`{name}`")).collect();
        let text = format!(
            "there are no tables or materialized views {} and {} more, and no index of them is declared: their entries \
             can go",
            named.join(", "),
            more.len()
        );
        return vec![Note::general(text)];
    }
    let note = |name: &&QualifiedName| {
        let text = format!("there is no table or materialized view `{name}`, and no index of it is declared");
        Note::general(match in_another_schema(name, &context.vocabulary.relations) {
            Some(other) => format!("{text}: did you mean `{other}`?"),
            None => format!("{text}: its entry can go"),
        })
    };
    gone.iter().map(note).collect()
}

/// The mistake that only building the index would meet; one that exists as declared may stay.
pub(super) fn build(declared: &Declared<Index>, relation: &Carrier, context: Context<'_>) -> Option<Problem> {
    let tablespace = declared.object.tablespace.as_ref()?;
    if !relation.is_partitioned() || tablespace.as_str() != context.vocabulary.default_tablespace {
        return None;
    }
    let message =
        format!("`{tablespace}` is the database's default tablespace, which no index of a partitioned table may name");
    let hint = "leave `tablespace` out: its parts are stored there anyway";
    Some(Problem::new(&declared.at.key("tablespace"), message).hint(hint))
}

/// All mistakes in the names of a declared index.
#[must_use]
pub fn index(declared: &Declared<Index>, relation: &Carrier, live: &Live, context: Context<'_>) -> Vec<Problem> {
    let columns = names(&relation.columns);
    let mut problems = unknown_columns(declared, &relation.name, &columns);
    problems.extend(storage(declared, context));
    let (definition, at) = (&declared.object.definition, &declared.at);
    problems.extend(virtual_columns(declared, relation));
    problems.extend(partition_key(declared, relation));
    problems.extend(live.below(relation).into_iter().filter_map(|partition| key_of_partition(declared, partition)));
    if definition.unique && live.has_foreign_partition(relation) {
        let message = format!("a partition of `{}` is a foreign table, which no unique index can cover", relation.name);
        problems.push(Problem::new(&at.key("unique"), message));
    }
    problems.extend(taken(declared, live));
    let parts = part_names(&declared.object.name, relation, live);
    if let Some((name, taken)) =
        parts.into_iter().find_map(|name| Some((live.taken.get(&name)?, name)).map(|(t, n)| (n, t)))
    {
        let message = format!("its part on a partition would be called `{name}`, which is taken by the {}", taken.what);
        problems.push(Problem::new(at, message).on_key().hint("rename one of the two"));
    }
    problems
}

/// Mistakes in how it is stored. They do not depend on the relation.
pub(crate) fn storage(declared: &Declared<Index>, context: Context<'_>) -> Vec<Problem> {
    let (definition, at) = (&declared.object.definition, &declared.at);
    let mut problems = Vec::new();
    let method = definition.method.as_str();
    if !context.vocabulary.methods.iter().any(|known| known == method) {
        let problem = Problem::new(&at.key("method"), format!("this server has no index access method `{method}`"));
        problems.push(problem.did_you_mean(method, context.vocabulary.methods.iter().map(String::as_str)));
    }
    let tablespace = declared.object.tablespace.as_ref();
    problems.extend(tablespace.and_then(|name| context.vocabulary.refuses_tablespace(name, &at.key("tablespace"))));
    if definition.nulls_not_distinct && context.database.server_version < NULLS_NOT_DISTINCT_SINCE {
        let message = "this server is older than PostgreSQL 15: it does not know `nulls_not_distinct`";
        problems.push(Problem::new(&at.key("nulls_not_distinct"), message));
    }
    problems
}

/// The problem if another object has its name.
pub(crate) fn taken(declared: &Declared<Index>, live: &Live) -> Option<Problem> {
    let taken = live.taken.get(&declared.object.relation())?;
    let message = format!("the name `{}` is taken by the {}", declared.object.relation(), taken.what);
    let problem = Problem::new(&declared.at, message).on_key();
    let hint = "choose another name: names of tables, views and indexes are unique within a schema";
    let moved = "if the index has moved here, apply its removal there first: names are unique within a schema";
    Some(problem.hint(if taken.what.starts_with("index of") { moved } else { hint }))
}

/// The columns that it names and that the relation does not have.
#[must_use]
pub fn unknown_columns(declared: &Declared<Index>, relation: &QualifiedName, known: &[Ident]) -> Vec<Problem> {
    let unknown = declared.object.definition.named_columns().filter(|(_, column)| !known.contains(column));
    unknown
        .map(|(place, column)| {
            let message = format!("column `{column}` is not in `{relation}`");
            let problem = Problem::new(&column_at(declared, place), message);
            if column.as_str().contains('(') {
                problem.hint(format!("an expression is written {{ expression: {} }}", column.as_str()))
            } else {
                problem.did_you_mean(column.as_str(), known.iter().map(Ident::as_str))
            }
        })
        .collect()
}

fn column_at(declared: &Declared<Index>, place: ColumnPlace) -> Source {
    match place {
        ColumnPlace::Key(position) => declared.column_at(position).key("column"),
        ColumnPlace::Include(position) => declared.at.key("include").item(position),
    }
}

/// Columns that are not stored. The server finds those in expressions (manual, "Generated Columns").
fn virtual_columns(declared: &Declared<Index>, relation: &Carrier) -> Vec<Problem> {
    let expression = |name: &Ident| {
        let column = relation.columns.iter().find(|column| column.name == *name)?;
        column.generation.as_ref().filter(|generation| generation.is_virtual).map(|generation| &generation.expression)
    };
    let used = declared.object.definition.named_columns();
    let used = used.filter_map(|(place, column)| Some((place, column, expression(column)?)));
    used.map(|(place, column, expression)| {
        let message = format!("column `{column}` is not stored, and no index can have it: it is GENERATED … VIRTUAL");
        let problem = Problem::new(&column_at(declared, place), message);
        match place {
            ColumnPlace::Key(_) => {
                problem.hint(format!("index what it is computed from: {{ expression: {expression} }}"))
            }
            ColumnPlace::Include(_) => problem,
        }
    })
    .collect()
}

/// What a unique index lacks of the key of a partitioned table.
enum Lacks<'a> {
    Column(&'a Ident),
    Expression,
}

/// A unique index of a partitioned table must hold the whole partition key (manual, section 5.12.2.3).
fn partition_key(declared: &Declared<Index>, relation: &Carrier) -> Option<Problem> {
    let Lacks::Column(column) = lacks(declared, relation)? else {
        let message = format!("`{}` is partitioned by an expression, which no unique index can hold", relation.name);
        return Some(Problem::new(&declared.at.key("unique"), message));
    };
    let message = format!("a unique index of `{}` must have the partition column `{column}`", relation.name);
    Some(Problem::new(&declared.at.key("columns"), message).hint(format!("add `{column}` to its columns")))
}

/// So must its part on a partition that is partitioned again.
fn key_of_partition(declared: &Declared<Index>, partition: &Carrier) -> Option<Problem> {
    let (table, name) = (&declared.object.table, &partition.name);
    let Lacks::Column(column) = lacks(declared, partition)? else {
        let message = format!(
            "`{name}`, a partition of `{table}`, is partitioned by an expression, which no unique index can hold"
        );
        return Some(Problem::new(&declared.at.key("unique"), message));
    };
    let message =
        format!("a unique index of `{table}` must have the column `{column}`, by which `{name}` is partitioned");
    Some(Problem::new(&declared.at.key("columns"), message).hint(format!("add `{column}` to its columns")))
}

fn lacks<'a>(declared: &Declared<Index>, relation: &'a Carrier) -> Option<Lacks<'a>> {
    if !relation.is_partitioned() || !declared.object.definition.unique {
        return None;
    }
    if relation.partition_key.contains(&None) {
        return Some(Lacks::Expression);
    }
    let keys = &declared.object.definition.columns;
    let held = |column: &Ident| keys.iter().any(|key| matches!(&key.term, Term::Column(name) if name == column));
    relation.partition_key.iter().flatten().find(|column| !held(column)).map(Lacks::Column)
}
