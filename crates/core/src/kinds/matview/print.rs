//! Has the server print declared queries, with temporary views in transactions that are rolled back.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Matview, Query, View,
    canonical::{self, Printed, unsettled},
    order::Readable,
    waiting::Rejected,
};
use crate::{
    declared::Declared,
    kind::Asking,
    postgres::{
        batch::{Answers, Ask, Asked, Batch, ServerError, judged, roll_back},
        fixed_point::{TRIPS, Trails},
        name::{Ident, QualifiedName},
        relation::Column,
        rows::DecodeError,
        sql::Sql,
    },
    problem::Problem,
};

const PROBE: &str = "reconcile_probe";

/// The server's interpretation of the declared queries.
#[derive(Default)]
pub(super) struct Prints {
    /// The queries that the server accepts.
    pub(super) printed: BTreeMap<QualifiedName, Printed>,
    /// The queries that the server cannot interpret yet: they read other views as these will be.
    pub(super) postponed: BTreeSet<QualifiedName>,
    /// The server could not be asked.
    pub(super) unasked: bool,
    /// What the server rejects.
    pub(super) rejected: Rejected,
}

/// Has the server print the declared queries that are not known to equal the live ones.
///
/// # Errors
/// The connection fails, or the server refuses a catalog query.
pub(super) async fn print<S: Ask>(server: &mut S, view: View<'_>, asking: Asking<'_>) -> Result<Prints, S::Error> {
    let open = unsettled(view, asking.context.registry);
    if open.is_empty() || !asking.may_make_temporary {
        return Ok(Prints { unasked: !open.is_empty(), ..Prints::default() });
    }
    let path = asking.context.session.search_path.as_slice();
    let mut prints = Prints::default();
    prints.rejected.problems = without_schema(server, &open).await?;
    let readable = Readable::new(open.iter().map(|declared| &declared.object.name), view.live, path);
    for declared in open.iter().copied() {
        let name = &declared.object.name;
        match one(server, &declared.object.query, path).await? {
            Ok(ours) => {
                let found = view.live.found.get(name).filter(|found| found.is_matview());
                let ours = match found {
                    Some(found) => met(server, ours, found.query()).await?,
                    None => ours,
                };
                prints.printed.insert(name.clone(), ours);
            }
            Err(_) if waits(declared, &readable) => {
                prints.postponed.insert(name.clone());
            }
            // A plan that leaves it out does not need its meaning.
            Err(_) if !asking.context.scope.admits(&declared.object.address()) => {}
            Err(refused) => prints.rejected.query(declared, &refused.error, refused.offset),
        }
    }
    let affected = affected(view, asking, &prints.printed);
    prints.postponed.extend(affected);
    Ok(prints)
}

/// The declared views that stand as they are declared, but read others that will be replaced: over these, the same text
/// can mean something else.
fn affected<'a>(
    view: View<'a>,
    asking: Asking<'a>,
    printed: &BTreeMap<QualifiedName, Printed>,
) -> impl Iterator<Item = QualifiedName> + use<'a> {
    let admitted = view.desired.iter().filter(move |declared| asking.context.scope.admits(&declared.object.address()));
    let is_replaced = |declared: &&Declared<Matview>| {
        let found = view.live.found.get(&declared.object.name);
        let printed = printed.get(&declared.object.name);
        found.zip(printed).is_some_and(|(found, printed)| printed.query != found.query())
    };
    let replaced: BTreeSet<_> = admitted.clone().filter(is_replaced).map(|declared| &declared.object.name).collect();
    let path = asking.context.session.search_path.as_slice();
    let readable = Readable::new(replaced.iter().copied(), view.live, path);
    let settled = admitted.filter(move |declared| {
        canonical::settled(declared, view, asking.context.registry)
            .is_some_and(|found| !canonical::is_text_of(&declared.object.query, found))
    });
    let affected = settled.filter(move |declared| readable.read_by(&declared.object.query).next().is_some());
    affected.map(|declared| declared.object.name.clone())
}

/// Problems for views in schemas that do not exist.
async fn without_schema<S: Ask>(server: &mut S, open: &[&Declared<Matview>]) -> Result<Vec<Problem>, S::Error> {
    let sql = Sql::new("SELECT nspname FROM pg_namespace WHERE nspname IN (");
    let mut batch = Batch::default();
    let known = |sql: Sql, declared: &&Declared<Matview>| sql.literal(declared.object.name.schema.as_str());
    let known = batch.ask(sql.list(open, ", ", known).raw(")"));
    let known = server.send(&batch).await?.take(known)?;
    let known: BTreeSet<&str> = known.column(0)?.into_iter().collect();
    let missing = open.iter().filter(|declared| !known.contains(declared.object.name.schema.as_str()));
    let problem = |declared: &&Declared<Matview>| {
        let message = format!("there is no schema `{}`", declared.object.name.schema);
        Problem::new(&declared.at, message).on_key().hint("make it in a migration: reconcile makes no schemas")
    };
    Ok(missing.map(problem).collect())
}

/// Whether the server cannot interpret the query yet, because it reads another declared view that will be created or
/// rebuilt.
fn waits(declared: &Declared<Matview>, open: &Readable<'_>) -> bool {
    open.read_by(&declared.object.query).any(|name| *name != declared.object.name)
}

/// The live query, if the declared one is equal after printing and parsing it again; otherwise the declared query.
async fn met<S: Ask>(server: &mut S, ours: Printed, theirs: Query) -> Result<Printed, S::Error> {
    let mut trails = Trails::new(ours.query.clone(), [theirs.clone()]);
    for _ in 0..TRIPS {
        if trails.met().is_some() || trails.has_settled() {
            break;
        }
        let mut prints = Vec::new();
        for query in trails.latest() {
            prints.push(one(server, query, &[]).await?.ok().map(|again| again.query));
        }
        trails.walk(&mut prints.into_iter());
    }
    Ok(if trails.met().is_some() { Printed { query: theirs, ..ours } } else { ours })
}

/// A query that the server rejects.
struct Refused {
    error: ServerError,
    /// The byte offset of the error in the query.
    offset: Option<usize>,
}

async fn one<S: Ask>(
    server: &mut S,
    query: &Query,
    search_path: &[Ident],
) -> Result<Result<Printed, Refused>, S::Error> {
    let probe = Ident::from_server(PROBE);
    let mut batch = Batch::begin("BEGIN");
    batch.look_up_in(search_path);
    let create = create(&probe, query);
    let made = batch.ask(&create);
    batch.look_up_in(&[]);
    let printed = batch.ask(prints(&[&probe]));
    let shape = ask_shape(&probe, &mut batch);
    batch.run("ROLLBACK");
    match judged(server, &batch).await? {
        Ok(mut answers) => {
            let (columns, exposed) = shape.read(&mut answers)?;
            let query = Query::from_server(answers.take(printed)?.one()?.get(0)?);
            Ok(Ok(Printed { query, columns, exposed }))
        }
        Err(error) => {
            roll_back(server).await?;
            let offset = offset_in(&batch, &error, made, &create, query);
            Ok(Err(Refused { error: *error, offset }))
        }
    }
}

/// The statement that creates a temporary view with a query.
pub(super) fn create(name: &Ident, query: &Query) -> Sql {
    Sql::new("CREATE TEMPORARY VIEW ").ident(name).raw(" AS ").parenthesised(query.fragment())
}

/// The byte offset in a query of the error that the server reports for the statement of [`create`].
pub(super) fn offset_in(batch: &Batch, error: &ServerError, made: Asked, create: &Sql, query: &Query) -> Option<usize> {
    let (_, offset) = batch.pointed_at(error).filter(|(asked, _)| *asked == made)?;
    // The query is the end of the statement, followed by a parenthesis and perhaps a line break.
    let before = create.as_str().rfind(query.as_str())?;
    offset.checked_sub(before).filter(|offset| *offset <= query.as_str().len())
}

/// The query that has the server print some temporary views, in order.
pub(super) fn prints(names: &[&Ident]) -> Sql {
    let name = |sql: Sql, name: &&Ident| sql.raw("(").literal(&temporary(name).quoted()).raw(")");
    let asked = Sql::new("SELECT pg_get_viewdef(v.name::regclass) FROM (VALUES ").list(names, ", ", name);
    asked.raw(") v(name)")
}

/// Asks for the columns of a temporary view, and the functions that depend on the search path.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    columns: Asked,
    exposed: Asked,
}

/// Adds the queries to a batch.
pub(super) fn ask_shape(name: &Ident, batch: &mut Batch) -> Shape {
    let view = Sql::default().literal(&temporary(name).quoted()).raw("::regclass");
    let columns = Sql::new(
        "SELECT jsonb_build_object('name', t.attname, 'type', format_type(t.atttypid, t.atttypmod), \
         'collation', (SELECT jsonb_build_object('schema', n.nspname, 'name', l.collname) \
         FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = t.attcollation))::text \
         FROM pg_attribute t WHERE t.attrelid = ",
    );
    let exposed = Sql::new(
        "SELECT DISTINCT p.oid::regprocedure::text FROM pg_rewrite r \
         JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass \
         JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang \
         WHERE l.lanname NOT IN ('internal', 'c') AND p.prosqlbody IS NULL \
         AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c(setting) WHERE c.setting LIKE 'search_path=%') \
         AND r.ev_class = ",
    );
    let columns = columns.raw_sql(&view).raw(" AND t.attnum > 0 ORDER BY t.attnum");
    Shape { columns: batch.ask(columns), exposed: batch.ask(exposed.raw_sql(&view).raw(" ORDER BY 1")) }
}

impl Shape {
    pub(super) fn read(self, answers: &mut Answers) -> Result<(Vec<Column>, Vec<String>), DecodeError> {
        Ok((answers.take(self.columns)?.objects()?, answers.take(self.exposed)?.column(0)?))
    }
}

pub(super) fn temporary(name: &Ident) -> QualifiedName {
    QualifiedName::new(Ident::fixed("pg_temp"), name.clone())
}

/// The problem for the user, at a byte offset in the query.
pub(super) fn described(declared: &Declared<Matview>, error: &ServerError, offset: Option<usize>) -> Problem {
    let message = format!("the server does not accept this query: {}", error.with_detail());
    let problem = Problem::new(&declared.body_at(), message).on_text(offset.unwrap_or(0));
    match &error.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}
