//! Compares declared and live definitions with SELECT alone, for where no temporary copy can be made. Two texts mean the
//! same if the planner prints them alike under EXPLAIN. This is coarser than `probe`: it folds constants and inlines functions.

use super::{Carrier, Definition, Index, Key, PathName, Term, catalog::Names, compare::same_shape};
use crate::{
    kind::Context,
    postgres::{
        batch::{Ask, ask_alone, roll_back},
        fragment::Fragment,
        name::{Ident, split_parts},
        rows::DecodeError,
        sql::Sql,
    },
};

/// The planner's print of its own print is stable at once. One more round makes sure.
const TRIPS: usize = 2;

/// The live definition that the declared one equals; or else the declared one, simplified as far as possible.
///
/// # Errors
/// The server refuses a fragment, or the connection fails.
pub(super) async fn canonical<S: Ask>(
    server: &mut S,
    declared: &Index,
    relation: &Carrier,
    names: &Names,
    context: Context<'_>,
) -> Result<Definition, S::Error> {
    let mut ours = simplified(&declared.definition, relation, names);
    let mut our_prints = prints(server, relation, &ours, context).await?;
    let says_nothing = |print: &Vec<String>| print.last().is_some_and(|predicate| predicate == "true");
    if ours.predicate.is_some() && our_prints.last().is_some_and(says_nothing) {
        // The server does not store a predicate that is always true.
        ours.predicate = None;
        our_prints = prints(server, relation, &ours, context).await?;
    }
    // Two live indexes may mean the same. The one of the same name comes first.
    let own = relation.indexes.get(&declared.name);
    let others = relation.indexes.values().filter(|live| live.index.name != declared.name);
    for live in own.into_iter().chain(others).map(|live| &live.index.definition) {
        if !same_shape(&without_collations(&ours), &without_collations(live))
            || !collations_agree(server, relation, &ours, live).await?
        {
            continue;
        }
        let their_prints = prints(server, relation, live, context).await?;
        if our_prints.iter().any(|print| their_prints.contains(print)) {
            return Ok(live.clone());
        }
    }
    Ok(ours)
}

/// Removes what only repeats a default.
fn simplified(definition: &Definition, relation: &Carrier, names: &Names) -> Definition {
    let simple = |key: &Key| {
        let opclass = key.opclass.clone().filter(|opclass| {
            !key.opclass_parameters.is_empty() || !names.is_default(opclass, definition.method.as_str())
        });
        let bare = match &key.term {
            Term::Expression(expression) => bare_column(expression.as_str(), relation),
            Term::Column(_) => None,
        };
        match bare {
            Some((column, collation)) => {
                let collation = key.collation.clone().or(collation);
                Key { term: Term::Column(column), collation, opclass, ..key.clone() }
            }
            None => Key { opclass, ..key.clone() },
        }
    };
    Definition { columns: definition.columns.iter().map(simple).collect(), ..definition.clone() }
}

/// The column and collation of an expression that is only a column. The server stores it as that column.
fn bare_column(expression: &str, relation: &Carrier) -> Option<(Ident, Option<PathName>)> {
    let mut text = expression.trim();
    while let Some(inside) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        text = inside.trim();
    }
    if let Some((column, collation)) = text.rsplit_once(" COLLATE ") {
        let (column, _) = bare_column(column, relation)?;
        return Some((column, path_name(collation)));
    }
    let name =
        if text.starts_with('"') { split_parts(text).ok()?.pop()? } else { Ident::new(text.to_lowercase()).ok()? };
    relation.columns.iter().any(|column| column.name == name).then_some((name, None))
}

fn path_name(text: &str) -> Option<PathName> {
    let mut parts = split_parts(text).ok()?;
    Some(PathName { name: parts.pop()?, schema: parts.pop() })
}

fn without_collations(definition: &Definition) -> Definition {
    let without = |key: &Key| Key { collation: None, ..key.clone() };
    Definition { columns: definition.columns.iter().map(without).collect(), ..definition.clone() }
}

/// Whether the keys have the same collations. If one side does not name it, the server is asked what collation the term has.
async fn collations_agree<S: Ask>(
    server: &mut S,
    relation: &Carrier,
    ours: &Definition,
    live: &Definition,
) -> Result<bool, S::Error> {
    for (our, their) in ours.columns.iter().zip(&live.columns) {
        let agree = match (&our.collation, &their.collation) {
            (None, None) => true,
            (Some(our), Some(their)) => our.name == their.name,
            (Some(given), None) | (None, Some(given)) => {
                derived(server, relation, &their.term).await?.is_some_and(|derived| derived.name == given.name)
            }
        };
        if !agree {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The collation that a term has by itself.
async fn derived<S: Ask>(server: &mut S, relation: &Carrier, term: &Term) -> Result<Option<PathName>, S::Error> {
    let sql = Sql::new("SELECT pg_collation_for(");
    let sql = match term {
        Term::Column(column) => sql.ident(column),
        Term::Expression(expression) => sql.parenthesised(expression),
    };
    // The join returns one row of NULLs, whatever the table contains.
    let sql = sql.raw(") FROM (VALUES (0)) one(row) LEFT JOIN ONLY ").name(&relation.name).raw(" ON false");
    let error = match ask_alone(server, &[], sql).await {
        Ok(rows) => {
            let name: Option<String> = rows.one()?.get(0)?;
            return Ok(name.and_then(|name| path_name(&name)));
        }
        Err(error) => error,
    };
    // "collations are not supported by type integer"
    let refused = S::refusal(error)?;
    roll_back(server).await?;
    if refused.code == "42804" { Ok(None) } else { Err(S::refused(refused)) }
}

/// What the planner prints of the fragments, then of that print, and so on.
async fn prints<S: Ask>(
    server: &mut S,
    relation: &Carrier,
    definition: &Definition,
    context: Context<'_>,
) -> Result<Vec<Vec<String>>, S::Error> {
    let mut fragments: Vec<Fragment> = definition.fragments().map(|(_, fragment)| fragment.clone()).collect();
    let mut prints = Vec::new();
    for _ in 0..TRIPS {
        if fragments.is_empty() {
            return Ok(vec![Vec::new()]);
        }
        let print = printed(server, relation, &fragments, context).await?;
        fragments = print.iter().map(|text| Fragment::from_server(text)).collect();
        prints.push(print);
    }
    Ok(prints)
}

async fn printed<S: Ask>(
    server: &mut S,
    relation: &Carrier,
    fragments: &[Fragment],
    context: Context<'_>,
) -> Result<Vec<String>, S::Error> {
    let sql = Sql::new("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT ")
        .list(fragments, ", ", Sql::parenthesised)
        .raw(" FROM ONLY ")
        .name(&relation.name);
    let plan: serde_json::Value = ask_alone(server, &context.session.search_path, sql).await?.one()?.json(0)?;
    let output = plan.pointer("/0/Plan/Output").and_then(serde_json::Value::as_array).ok_or(DecodeError::Row)?;
    Ok(output.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}
