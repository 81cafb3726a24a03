//! What stands under the names of materialized views, in the same round trip as everything else; and what the server
//! makes of the declared queries, by temporary views in transactions that are rolled back (TRAPS 1).

use std::collections::{BTreeMap, BTreeSet};

use reconcile_core::{
    desired::{DeclaredMatview, Desired},
    kinds::matview::{
        Query,
        canonical::{Printed, unsettled},
        catalog::{self as facts, Found, Roles},
        names::is_building_name,
        order,
    },
    live::Live,
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
    problem::Problem,
};
use sea_orm::sqlx::Row as _;

use crate::{
    LiveError, ReadOptions, Session,
    error::ServerError,
    probe,
    session::{Rows, objects},
    settings,
    snapshot::ServerFacts,
};

/// Printing and parsing again settles after this many trips, or it never does.
const TRIPS: usize = 3;

const PROBE: &str = "reconcile_probe";

/// The query for the views of a project; none, where there can be none.
pub(crate) fn statement(desired: &Desired, registry: Option<&QualifiedName>) -> Option<String> {
    if desired.matviews.is_empty() && registry.is_none() {
        return None;
    }
    let names = desired.matviews.iter().map(|declared| Some(&declared.view.name));
    // The first row gives the columns their type and matches nothing.
    let sql = Sql::new("VALUES (''::name, ''::name), ").list(names.chain([None]), ", ", |sql, name| match name {
        Some(name) => sql.name_literals(name),
        None => sql.raw("('', '')"),
    });
    let asked = match registry {
        Some(registry) => {
            let sql = sql.raw(" UNION SELECT relation_schema::name, relation_name::name FROM ").name(registry);
            sql.raw(" WHERE address LIKE 'matview/%'")
        }
        None => sql,
    };
    Some(facts::query(asked, true))
}

/// The statement for the roles; none, where no rights are declared.
pub(crate) fn of_roles(desired: &Desired) -> Option<&'static str> {
    desired.matviews.iter().any(|declared| declared.view.grants.is_some()).then_some(facts::ROLES_SQL)
}

/// Reads what that statement gave.
pub(crate) fn roles(rows: &Rows) -> Result<Roles, LiveError> {
    Ok(objects(rows)?.pop().unwrap_or_default())
}

/// Reads the rows of the query.
pub(crate) fn decoded(rows: &Rows) -> Result<BTreeMap<QualifiedName, Found>, LiveError> {
    Ok(objects(rows)?.into_iter().map(|found: Found| (found.name.clone(), found)).collect())
}

/// Reads what stands under some names, but for queries and sizes; waits for nobody.
///
/// # Errors
/// The connection or the query fails.
pub async fn facts_of(
    session: &mut Session,
    names: &[&QualifiedName],
) -> Result<BTreeMap<QualifiedName, Found>, LiveError> {
    under(session, names, false).await
}

/// The materialized views of some names, for `import`; without what interrupted runs left.
///
/// # Errors
/// The connection or the query fails.
pub async fn read_all(session: &mut Session, names: &[&QualifiedName]) -> Result<Vec<Found>, LiveError> {
    let found = under(session, names, true).await?.into_values();
    let meant: BTreeSet<_> = names.iter().copied().filter(|name| !is_building_name(name)).collect();
    Ok(found.filter(|found| found.is_matview() && meant.contains(&found.name)).collect())
}

async fn under(
    session: &mut Session,
    names: &[&QualifiedName],
    opened: bool,
) -> Result<BTreeMap<QualifiedName, Found>, LiveError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked = Sql::new("VALUES ").list(names, ", ", |sql, name| sql.name_literals(name));
    decoded(&session.batch(&facts::query(asked, opened)).await?.into_iter().flatten().collect())
}

/// Has the server print the declared queries that are not known to be what is live. Returns the mistakes that it found.
///
/// # Errors
/// The connection or a query of ours fails.
pub async fn print(
    session: &mut Session,
    desired: &Desired,
    live: &mut Live,
    facts: &ServerFacts,
    options: &ReadOptions,
) -> Result<Vec<Problem>, LiveError> {
    let open = unsettled(desired, live);
    if open.is_empty() {
        return Ok(Vec::new());
    }
    if facts.read_only || !facts.temporary {
        live.matviews.unasked = true;
        return Ok(Vec::new());
    }
    let mut problems = without_schema(session, &open).await?;
    for declared in open.iter().copied() {
        let name = &declared.view.name;
        match printed(session, &declared.view.query, &options.search_path).await {
            Ok(printed) => {
                let found = live.matviews.found.get(name).filter(|found| found.is_matview());
                let printed = match found {
                    Some(found) => met(session, printed, found.query()).await?,
                    None => printed,
                };
                live.matviews.printed.insert(name.clone(), printed);
            }
            Err(LiveError::Server(error)) if probe::is_about_us(&error) => return Err(LiveError::Server(error)),
            Err(LiveError::Server(error)) => {
                session.batch("ROLLBACK").await?;
                if waits(declared, &open, live, options) {
                    live.matviews.postponed.insert(name.clone());
                } else {
                    let offset = error.offset_in(&before(&options.search_path), declared.view.query.as_str());
                    problems.push(described(declared, &error, offset));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(problems)
}

/// Views in schemas that are not there.
async fn without_schema(session: &mut Session, open: &[&DeclaredMatview]) -> Result<Vec<Problem>, LiveError> {
    let sql = Sql::new("SELECT nspname::text FROM pg_namespace WHERE nspname IN (");
    let sql = sql.list(open, ", ", |sql, declared| sql.literal(declared.view.name.schema.as_str())).raw(")");
    let rows: Rows = session.batch(sql.as_str()).await?.into_iter().flatten().collect();
    let known = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let missing = open.iter().filter(|declared| !known.iter().any(|name| name == declared.view.name.schema.as_str()));
    let problem = |declared: &&DeclaredMatview| {
        let message = format!("there is no schema `{}`", declared.view.name.schema);
        Problem::new(&declared.at, message).on_key().hint("make it in a migration: reconcile makes no schemas")
    };
    Ok(missing.map(problem).collect())
}

/// Whether the server can say nothing yet: the query reads another declared view, which is to be made or made anew.
fn waits(declared: &DeclaredMatview, open: &[&DeclaredMatview], live: &Live, options: &ReadOptions) -> bool {
    let mentions = order::mentions(&declared.view.query, live, &options.search_path);
    let others = open.iter().map(|other| &other.view.name).filter(|name| **name != declared.view.name);
    others.into_iter().any(mentions)
}

/// The live query where the declared one, printed and parsed again, comes to the same; else the declared one.
async fn met(session: &mut Session, ours: Printed, theirs: Query) -> Result<Printed, LiveError> {
    let (mut our_trail, mut their_trail) = (vec![ours.query.clone()], vec![theirs.clone()]);
    for _ in 0..TRIPS {
        if our_trail.iter().any(|query| their_trail.contains(query)) {
            return Ok(Printed { query: theirs, ..ours });
        }
        let mut moved = false;
        for trail in [&mut our_trail, &mut their_trail] {
            let Some(last) = trail.last().cloned() else { continue };
            match printed(session, &last, &[]).await {
                Ok(again) => {
                    moved |= again.query != last;
                    trail.push(again.query);
                }
                // The server refuses its own print only where a name is shadowed; then that trail ends here.
                Err(LiveError::Server(_)) => drop(session.batch("ROLLBACK").await?),
                Err(error) => return Err(error),
            }
        }
        if !moved {
            break;
        }
    }
    let same = our_trail.iter().any(|query| their_trail.contains(query));
    Ok(if same { Printed { query: theirs, ..ours } } else { ours })
}

/// What stands before the query in the batch that prints it.
fn before(search_path: &[Ident]) -> String {
    let path = Sql::new("SET LOCAL search_path = ").search_path(search_path);
    format!("BEGIN; {}{path}; CREATE TEMPORARY VIEW reconcile_probe AS ", settings::local())
}

async fn printed(session: &mut Session, query: &Query, search_path: &[Ident]) -> Result<Printed, LiveError> {
    let query = Sql::default().parenthesised(query.fragment());
    let probe = Ident::from_server(PROBE);
    let batch = format!(
        "{}{query}; SET LOCAL search_path = ''; {}; {}; ROLLBACK",
        before(search_path),
        prints(&[&probe]),
        shape(&probe)
    );
    let results = session.batch(&batch).await?;
    let [.., printed, columns, exposed, _] = results.as_slice() else {
        return Err(LiveError::Connection("the probe of a view left no trace".to_owned()));
    };
    let query = printed.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    Ok(Printed { query: Query::from_server(query), columns: objects(columns)?, exposed: texts(exposed)? })
}

pub(crate) fn texts(rows: &Rows) -> Result<Vec<String>, LiveError> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The query for what the server prints of some temporary views, in their order.
pub(crate) fn prints(names: &[&Ident]) -> Sql {
    let name = |sql: Sql, name: &&Ident| sql.raw("(").literal(&temporary(name).quoted()).raw(")");
    let asked = Sql::new("SELECT pg_get_viewdef(v.name::regclass) FROM (VALUES ").list(names, ", ", name);
    asked.raw(") v(name)")
}

/// The two queries for the columns of a temporary view, and for the functions that it exposes to a search path.
pub(crate) fn shape(name: &Ident) -> Sql {
    let view = Sql::default().literal(&temporary(name).quoted()).raw("::regclass");
    let columns = Sql::new(
        "SELECT jsonb_build_object('name', t.attname, 'type', format_type(t.atttypid, t.atttypmod), \
         'collation', (SELECT jsonb_build_object('schema', n.nspname, 'name', l.collname) \
         FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = t.attcollation))::text \
         FROM pg_attribute t WHERE t.attrelid = ",
    );
    let exposed = Sql::new(
        "; SELECT DISTINCT p.oid::regprocedure::text FROM pg_rewrite r \
         JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass \
         JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang \
         WHERE l.lanname NOT IN ('internal', 'c') AND p.prosqlbody IS NULL \
         AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c(setting) WHERE c.setting LIKE 'search_path=%') \
         AND r.ev_class = ",
    );
    let columns = columns.raw_sql(&view).raw(" AND t.attnum > 0 ORDER BY t.attnum");
    columns.raw_sql(&exposed).raw_sql(&view).raw(" ORDER BY 1")
}

pub(crate) fn temporary(name: &Ident) -> QualifiedName {
    QualifiedName::new(Ident::from_server("pg_temp"), name.clone())
}

/// The user's mistake, so many bytes into the query.
pub(crate) fn described(declared: &DeclaredMatview, error: &ServerError, offset: Option<usize>) -> Problem {
    let detail = error.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let message = format!("the server does not accept this query: {}{detail}", error.message);
    let problem = Problem::new(&declared.query_at, message).on_text(offset.unwrap_or(0));
    match &error.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}
