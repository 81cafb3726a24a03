//! Rehearses what is made anew together: copies of materialized views with their new queries, and of the views over them,
//! as temporary views that read each other, in one transaction that is rolled back. So a plan knows what the server will
//! say of each, and how it prints a query that reads what is still being built.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use reconcile_core::{
    desired::{DeclaredMatview, Desired},
    kinds::matview::{
        Query,
        canonical::Printed,
        catalog as facts,
        dependents::{self, Dependent, TypedColumn},
        group::{self, Member},
        names::building_name,
        rename_references::Redirected,
    },
    live::Live,
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
    problem::Problem,
    scope::Bounds,
};
use sea_orm::sqlx::Row as _;

use crate::{
    LiveError, Session, catalog,
    error::ServerError,
    matview::{decoded, described, prints, shape, temporary, texts},
    probe,
    server::Server,
    session::{Rows, objects},
    settings,
};

/// Reads what depends on the views that are made anew, and rehearses where something does, or where a query reads what is
/// yet to be. Returns what the server does not accept.
///
/// # Errors
/// The connection or a query of ours fails.
pub(crate) async fn rehearse(
    session: &mut Session,
    desired: &Desired,
    live: &mut Live,
    bounds: Bounds<'_>,
    server: &Server<'_>,
) -> Result<Vec<Problem>, LiveError> {
    let admitted = desired.matviews.iter().filter(|declared| bounds.filter.admits(&declared.view.address()));
    let replaced = admitted.filter(|declared| group::is_replaced(declared, live));
    let replaced: Vec<_> = replaced.map(|declared| &declared.view.name).collect();
    if live.matviews.unasked || replaced.is_empty() && live.matviews.postponed.is_empty() {
        return Ok(Vec::new());
    }
    if !replaced.is_empty() {
        read_dependents(session, &replaced, live, server).await?;
    }
    let path = &server.options.search_path;
    // Those that read each other in a circle are named by the plan.
    let Some(members) = group::moving(desired, live, bounds, path) else { return Ok(Vec::new()) };
    let taking_part = taking_part(&members, live);
    let alone = group::groups(&members, live).iter().all(group::Group::is_alone);
    // New ones can be made without, and are what they are only then.
    if taking_part.is_empty() || alone && of_one_name(&taking_part).is_some() {
        return Ok(Vec::new());
    }
    let views = live.matviews.dependents.iter().filter(|dependent| dependent.plain_view().is_some());
    let stage = Stage { members: &taking_part, views: views.collect(), path };
    let played = stage.play(session, live).await?;
    let (rehearsed, problems) = match played {
        Ok(rehearsed) => (rehearsed, Vec::new()),
        Err(problem) => (HashMap::new(), vec![*problem]),
    };
    let names = group::final_names(&members);
    let postponed = live.matviews.postponed.clone();
    let printed = rehearsed.iter().filter(|(name, _)| postponed.contains(name)).map(|(name, rehearsed)| {
        (name.clone(), Printed { query: rehearsed.query.renamed(&names), ..rehearsed.clone() })
    });
    let printed: Vec<_> = printed.collect();
    live.matviews.printed.extend(printed);
    live.matviews.rehearsed = rehearsed;
    Ok(problems)
}

/// What depends on the views, and what is known of those among it that have to be made anew themselves.
async fn read_dependents(
    session: &mut Session,
    replaced: &[&QualifiedName],
    live: &mut Live,
    server: &Server<'_>,
) -> Result<(), LiveError> {
    let begin = format!("BEGIN READ ONLY; {}", settings::local());
    let rows = session.batch(&format!("{begin}{}; COMMIT", dependents::query(replaced))).await?;
    live.matviews.dependents = objects(&rows.into_iter().flatten().collect::<Rows>())?;
    let matviews = live.matviews.dependents.iter().filter_map(Dependent::matview).map(|reader| reader.name.clone());
    let unknown: BTreeSet<_> = matviews.filter(|name| !live.matviews.found.contains_key(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let asked = Sql::new("VALUES ").list(&unknown, ", ", Sql::name_literals);
    let of_indexes = catalog::statements_without_names(asked.as_str(), session.server_version());
    let batch = format!("{begin}{}; {of_indexes}; COMMIT", facts::query(asked, true));
    let mut results = session.batch(&batch).await?.into_iter().rev().skip(1);
    let (index_rows, relation_rows) = (results.next().unwrap_or_default(), results.next().unwrap_or_default());
    live.matviews.found.extend(decoded(&results.next().unwrap_or_default())?);
    live.relations.extend(catalog::relations(&relation_rows, index_rows, server.names)?);
    Ok(())
}

/// Those that take each other's place, those that mean nothing yet, and what these read.
fn taking_part<'a>(members: &'a [Member<'a>], live: &Live) -> Vec<Member<'a>> {
    let groups = group::groups(members, live);
    let grouped = groups.iter().filter(|group| !group.is_alone()).flat_map(|group| group.members.iter().copied());
    let postponed = members.iter().filter(|member| live.matviews.postponed.contains(member.name));
    let mut open: Vec<_> = grouped.chain(postponed).collect();
    let mut names = BTreeSet::new();
    while let Some(member) = open.pop() {
        if names.insert(member.name) {
            open.extend(members.iter().filter(|other| member.reads.contains(other.name)));
        }
    }
    members.iter().filter(|member| names.contains(member.name)).cloned().collect()
}

/// Two of one name would meet where copies are.
fn of_one_name<'a>(members: &'a [Member<'a>]) -> Option<&'a QualifiedName> {
    let twin =
        |name: &&QualifiedName| members.iter().any(|other| *other.name != **name && other.name.name == name.name);
    members.iter().map(|member| member.name).find(twin)
}

/// All that takes part in a rehearsal.
struct Stage<'a> {
    /// In the order in which they can be built.
    members: &'a [Member<'a>],
    views: Vec<&'a Dependent>,
    path: &'a [Ident],
}

/// What takes part, as it is sent.
struct Copy<'a> {
    original: &'a QualifiedName,
    name: Ident,
    query: Redirected,
    /// For the names in it.
    path: &'a [Ident],
}

/// The columns of a copy, and the functions that it exposes to a search path.
type Made = (Vec<TypedColumn>, Vec<String>);

impl<'a> Stage<'a> {
    async fn play(
        &self,
        session: &mut Session,
        live: &Live,
    ) -> Result<Result<HashMap<QualifiedName, Printed>, Box<Problem>>, LiveError> {
        if let Some(problem) = self.twins().or(self.shadowed(session).await?) {
            return Ok(Err(Box::new(problem)));
        }
        session.batch(&format!("BEGIN; {}", settings::local())).await?;
        let mut all: BTreeMap<&QualifiedName, Made> = BTreeMap::new();
        let copies = self.copies();
        for (position, copy) in copies.iter().enumerate() {
            match copy.made(session).await {
                Ok((made, held)) => {
                    if let Some(held) = held.iter().find(|name| self.members.iter().any(|m| m.name.quoted() == **name))
                    {
                        session.batch("ROLLBACK").await?;
                        return Ok(Err(Box::new(self.held(copy, held))));
                    }
                    all.insert(copy.original, made)
                }
                Err(LiveError::Server(error)) if probe::is_about_us(&error) => return Err(LiveError::Server(error)),
                Err(LiveError::Server(error)) => {
                    session.batch("ROLLBACK").await?;
                    let refused = match self.members.get(position) {
                        Some(Member { declared: Some(declared), .. }) => copy.refused(declared, &error),
                        _ => self.forbidden(copy, &error, &all, live),
                    };
                    return Ok(Err(Box::new(refused)));
                }
                Err(error) => return Err(error),
            };
        }
        let printed = self.printed(session, &copies).await?;
        let rehearsed = copies.iter().zip(printed).map(|(copy, query)| {
            let (columns, exposed) = all.remove(copy.original).unwrap_or_default();
            (copy.original.clone(), Printed { query, columns, exposed })
        });
        Ok(Ok(rehearsed.collect()))
    }

    fn copies(&self) -> Vec<Copy<'a>> {
        let temporary = Ident::from_server("pg_temp");
        let names: Vec<_> = self.members.iter().map(|member| member.name).collect();
        let of_members = self.members.iter().map(|member| Copy {
            original: member.name,
            name: member.name.name.clone(),
            query: member.query.redirected(&names, &temporary),
            path: if member.declared.is_some() { self.path } else { &[] },
        });
        let of_views = self.views.iter().filter_map(|view| view.plain_view()).enumerate().map(|(number, view)| Copy {
            original: &view.name,
            name: Ident::fitted("reconcile_probe_", &number.to_string()),
            query: view.query().redirected(&names, &temporary),
            path: &[],
        });
        of_members.chain(of_views).collect()
    }

    fn twins(&self) -> Option<Problem> {
        let name = of_one_name(self.members)?;
        let message = format!("two views called `{}` would have to be made anew together", name.name);
        let problem = match self.declared(name).or_else(|| self.first_declared()) {
            Some(declared) => Problem::new(&declared.at, message).on_key(),
            None => Problem::nowhere(message),
        };
        Some(problem.hint("change one with `apply --only` first, or rename one of them in a migration").refusal())
    }

    /// A copy would be found where a query means another relation of that name, along the search path.
    async fn shadowed(&self, session: &mut Session) -> Result<Option<Problem>, LiveError> {
        let path = Sql::new("SET LOCAL search_path = ").search_path(self.path);
        let ask = |sql: Sql, member: &Member<'_>| {
            let (bare, full) = (member.name.name.quoted(), member.name.quoted());
            sql.raw("to_regclass(")
                .literal(&bare)
                .raw(") <> coalesce(to_regclass(")
                .literal(&full)
                .raw("), 0::regclass)")
        };
        let asked = Sql::new("SELECT ARRAY[").list(self.members, ", ", ask).raw("]");
        let batch = format!("BEGIN READ ONLY; {}{path}; {asked}; COMMIT", settings::local());
        let row = session.row(&batch).await?;
        let others: Vec<Option<bool>> = row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
        let hidden =
            self.members.iter().zip(others).filter(|(_, other)| *other == Some(true)).map(|(member, _)| member);
        let meant = |name: &Ident| {
            let declared = self.members.iter().filter_map(|member| Some((member, member.declared?)));
            declared
                .into_iter()
                .find(|(member, _)| member.query.names_without_schema(name))
                .map(|(_, declared)| declared)
        };
        let Some((member, declared)) = hidden.into_iter().find_map(|member| Some((member, meant(&member.name.name)?)))
        else {
            return Ok(None);
        };
        let message = format!("`{}` in this query is not `{}`, which changes as well", member.name.name, member.name);
        let problem = Problem::new(&declared.query_at, message).on_text(0);
        Ok(Some(problem.hint("write it with its schema")))
    }

    /// Something depends on a view, and is not possible with its new query.
    fn forbidden(
        &self,
        copy: &Copy<'_>,
        error: &ServerError,
        made: &BTreeMap<&QualifiedName, Made>,
        live: &Live,
    ) -> Problem {
        let is_it =
            |dependent: &&Dependent| dependent.relation.as_ref().is_some_and(|reader| reader.name == *copy.original);
        let dependent = live.matviews.dependents.iter().find(is_it);
        let what = dependent.map_or_else(|| format!("view {}", copy.original), |dependent| dependent.what.clone());
        let uses = dependent.map(|dependent| dependent.uses.as_slice()).unwrap_or_default();
        let lost = uses.iter().flat_map(|used| used.columns.iter().map(move |column| (&used.view, column)));
        let mut lost = lost.filter(|(view, column)| {
            made.get(*view).is_some_and(|(known, _)| !known.iter().any(|known| known.name == **column))
        });
        let message = match lost.next() {
            Some((view, column)) => format!("`{view}` would lose the column `{column}`, which {what} needs"),
            None => format!("{what} depends on it and is not possible any more: {}", error.message),
        };
        let blamed = uses.iter().find_map(|used| self.declared(&used.view)).or_else(|| self.first_declared());
        let problem = match blamed {
            Some(declared) => Problem::new(&declared.query_at, message).on_text(0),
            None => Problem::nowhere(message),
        };
        problem.hint(format!("keep what it needs, or drop {what} in a migration")).refusal()
    }

    /// Not what it reads, but a constant such as `'a.b'::regclass` holds on to a view.
    fn held(&self, copy: &Copy<'_>, held: &str) -> Problem {
        let message = format!("view {} depends on {held} itself, as by a constant of type regclass", copy.original);
        let problem = match self.first_declared() {
            Some(declared) => Problem::new(&declared.query_at, message).on_text(0),
            None => Problem::nowhere(message),
        };
        problem.hint("drop that in a migration, apply, and make it again").refusal()
    }

    fn declared(&self, name: &QualifiedName) -> Option<&'a DeclaredMatview> {
        self.members.iter().find(|member| member.name == name)?.declared
    }

    fn first_declared(&self) -> Option<&'a DeclaredMatview> {
        self.members.iter().find_map(|member| member.declared)
    }

    /// Each copy under the name that its original is built under, as the others then print it; and the end.
    async fn printed(&self, session: &mut Session, copies: &[Copy<'_>]) -> Result<Vec<Query>, LiveError> {
        let mut batch = "SET LOCAL search_path = ''; ".to_owned();
        let mut names = Vec::new();
        for (position, copy) in copies.iter().enumerate() {
            let name = match self.members.get(position) {
                Some(member) => {
                    let name = building_name(member.name).name;
                    let rename = Sql::new("ALTER VIEW ").name(&temporary(&copy.name)).raw(" RENAME TO ").ident(&name);
                    batch.push_str(&format!("{rename}; "));
                    name
                }
                None => copy.name.clone(),
            };
            names.push(name);
        }
        batch.push_str(&format!("{}; ROLLBACK", prints(&names.iter().collect::<Vec<_>>())));
        let rows: Rows = session.batch(&batch).await?.into_iter().flatten().collect();
        rows.iter().map(|row| Ok(Query::from_server(row.try_get(0)?))).collect()
    }
}

impl Copy<'_> {
    /// Makes it, and tells its columns and what it exposes.
    /// Last come the materialized views that it depends on still, whatever its copy reads.
    async fn made(&self, session: &mut Session) -> Result<(Made, Vec<String>), LiveError> {
        let query = Sql::default().parenthesised(self.query.query.fragment());
        let held = Sql::new(
            "SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_rewrite r \
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass \
             JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'm' JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE r.ev_class = ",
        );
        let held = held.literal(&temporary(&self.name).quoted()).raw("::regclass");
        let batch = format!("{}{query}; SET LOCAL search_path = ''; {}; {held}", self.before(), shape(&self.name));
        match session.batch(&batch).await?.as_slice() {
            [.., columns, exposed, held] => Ok(((objects(columns)?, texts(exposed)?), texts(held)?)),
            _ => Err(LiveError::Connection("the rehearsal of a view left no trace".to_owned())),
        }
    }

    /// What stands before the query.
    fn before(&self) -> String {
        // Copies come behind what the system has, so that a view called `date` is no type to cast to.
        let path = Sql::new("SET LOCAL search_path = pg_catalog, pg_temp")
            .list(self.path, "", |sql, schema| sql.raw(", ").ident(schema));
        let create = Sql::new("CREATE TEMPORARY VIEW ").ident(&self.name).raw(" AS ");
        format!("{path}; {create}")
    }

    /// The user's mistake, where the server points into the query.
    fn refused(&self, declared: &DeclaredMatview, error: &ServerError) -> Problem {
        let offset = error.offset_in(&self.before(), self.query.query.as_str()).map(|offset| self.query.origin(offset));
        described(declared, error, offset)
    }
}
