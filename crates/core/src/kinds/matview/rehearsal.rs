//! Rehearses the views that are rebuilt together. Copies of the materialized views with their new queries, and of the
//! views over them, are created as temporary views that read each other, in one transaction that is rolled back. So a
//! plan knows what the server will say about each one, and how it prints a query that reads what is still being built.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Live, Matview, Query, View,
    canonical::Printed,
    catalog,
    dependents::{self, Dependent},
    group::{self, Group, Member},
    names::building_name,
    print::{ask_shape, create, offset_in, prints, temporary},
    rename_references::Redirected,
    waiting::Rejected,
};
use crate::{
    declared::Declared,
    kind::Asking,
    kinds::index,
    postgres::{
        batch::{Ask, Batch, ServerError, ask_alone, judged, roll_back},
        name::{Ident, QualifiedName},
        relation::Column,
        sql::Sql,
    },
    problem::Problem,
};

/// The views whose declared query differs.
pub(super) fn replaced<'a>(view: View<'a>, asking: Asking<'_>) -> Vec<&'a QualifiedName> {
    let context = asking.context;
    let admitted = view.desired.iter().filter(|declared| context.scope.admits(&declared.object.address()));
    let replaced = admitted.filter(|declared| group::is_replaced(declared, view, context.registry));
    replaced.map(|declared| &declared.object.name).collect()
}

/// What depends on some views, and the facts about the dependent views that have to be rebuilt as well.
#[derive(Default)]
pub(super) struct Around {
    pub(super) dependents: Vec<Dependent>,
    pub(super) found: BTreeMap<QualifiedName, catalog::Found>,
    pub(super) carriers: BTreeMap<QualifiedName, index::Carrier>,
}

/// Reads what depends on the views that are rebuilt.
///
/// # Errors
/// The connection fails, or the server refuses a catalog query.
pub(super) async fn around<S: Ask>(
    server: &mut S,
    replaced: &[&QualifiedName],
    live: &Live,
    names: &index::catalog::Names,
) -> Result<Around, S::Error> {
    let dependents: Vec<Dependent> = ask_alone(server, &[], dependents::query(replaced)).await?.objects()?;
    let matviews = dependents.iter().filter_map(Dependent::matview).map(|reader| reader.name.clone());
    let unknown: BTreeSet<_> = matviews.filter(|name| !live.found.contains_key(name)).collect();
    if unknown.is_empty() {
        return Ok(Around { dependents, ..Around::default() });
    }
    let asked = Sql::new("VALUES ").list(&unknown, ", ", Sql::name_literals);
    let mut batch = Batch::begin_reading();
    let found = batch.ask(catalog::query(asked.clone(), true));
    let relations = index::read::ask(&mut batch, &asked, server.server_version());
    batch.run("COMMIT");
    let mut answers = server.send(&batch).await?;
    let found = answers.by_name(found)?;
    Ok(Around { dependents, found, carriers: index::read::decode(relations, &mut answers, names)? })
}

/// The result of a rehearsal.
#[derive(Default)]
pub(super) struct Rehearsed {
    /// The server's interpretation of the copies, by the names of the originals.
    pub(super) copies: BTreeMap<QualifiedName, Printed>,
    /// The interpretation of views that could not be interpreted before, as they will be.
    pub(super) printed: Vec<(QualifiedName, Printed)>,
    /// What the server rejects.
    pub(super) rejected: Rejected,
}

/// Rehearses if something depends on a view that is rebuilt, or if a query reads a view that does not exist yet.
///
/// # Errors
/// The connection fails, or the server refuses a catalog query.
pub(super) async fn rehearse<S: Ask>(
    server: &mut S,
    view: View<'_>,
    asking: Asking<'_>,
) -> Result<Rehearsed, S::Error> {
    let live = view.live;
    let members = group::members(view);
    let taking_part = taking_part(&members, live);
    let alone = group::groups(&members, live).iter().all(Group::is_alone);
    // New views can be created without a rehearsal; they are compared in a later plan.
    if taking_part.is_empty() || alone && of_one_name(&taking_part).is_some() {
        return Ok(Rehearsed::default());
    }
    let views = live.dependents.iter().filter(|dependent| dependent.plain_view().is_some());
    let path = &asking.context.session.search_path;
    let stage = Stage { members: &taking_part, views: views.collect(), path };
    let copies = match stage.play(server, live).await? {
        Ok(copies) => copies,
        Err(rejected) => return Ok(Rehearsed { rejected, ..Rehearsed::default() }),
    };
    let names = group::final_names(&members);
    let postponed = copies.iter().filter(|(name, _)| live.postponed.contains(*name));
    let printed = postponed
        .map(|(name, copy)| (name.clone(), Printed { query: copy.query.renamed(&names), ..copy.clone() }))
        .collect();
    Ok(Rehearsed { copies, printed, rejected: Rejected::default() })
}

/// The members that are replaced together, those that cannot be interpreted yet, and what these read.
fn taking_part<'a>(members: &'a [Member<'a>], live: &Live) -> Vec<Member<'a>> {
    let groups = group::groups(members, live);
    let grouped = groups.iter().filter(|group| !group.is_alone()).flat_map(|group| group.members.iter().copied());
    let postponed = members.iter().filter(|member| live.postponed.contains(member.name));
    let mut open: Vec<_> = grouped.chain(postponed).collect();
    let mut names = BTreeSet::new();
    while let Some(member) = open.pop() {
        if names.insert(member.name) {
            open.extend(members.iter().filter(|other| member.reads.contains(other.name)));
        }
    }
    members.iter().filter(|member| names.contains(member.name)).cloned().collect()
}

/// Two members with the same name in different schemas: their copies would have the same name.
fn of_one_name<'a>(members: &'a [Member<'a>]) -> Option<&'a QualifiedName> {
    let twin =
        |name: &&QualifiedName| members.iter().any(|other| *other.name != **name && other.name.name == name.name);
    members.iter().map(|member| member.name).find(twin)
}

/// Everything that takes part in a rehearsal.
struct Stage<'a> {
    /// The members, in an order in which they can be built.
    members: &'a [Member<'a>],
    views: Vec<&'a Dependent>,
    path: &'a [Ident],
}

/// A copy, as it is sent.
struct Copy<'a> {
    original: &'a QualifiedName,
    name: Ident,
    query: Redirected,
    /// The search path for the names in its query.
    path: &'a [Ident],
}

/// The columns of a copy, and the functions that depend on the search path.
type Made = (Vec<Column>, Vec<String>);

/// The result for a copy, with the views that it still depends on; or why the server refuses it, and where.
type MadeOrRefused = Result<(Made, Vec<String>), (Box<ServerError>, Option<usize>)>;

/// The server's interpretation of all copies, or what it rejects.
type Played = Result<BTreeMap<QualifiedName, Printed>, Rejected>;

impl<'a> Stage<'a> {
    async fn play<S: Ask>(&self, server: &mut S, live: &Live) -> Result<Played, S::Error> {
        if let Some(problem) = self.twins() {
            return Ok(Err(problem.into()));
        }
        if let Some(problem) = self.shadowed(server).await? {
            return Ok(Err(problem.into()));
        }
        server.send(&Batch::begin("BEGIN")).await?;
        let mut all: BTreeMap<&QualifiedName, Made> = BTreeMap::new();
        let copies = self.copies();
        for (position, copy) in copies.iter().enumerate() {
            match copy.made(server).await? {
                Ok((made, held)) => {
                    if let Some(held) = held.iter().find(|name| self.members.iter().any(|m| m.name.quoted() == **name))
                    {
                        roll_back(server).await?;
                        return Ok(Err(self.held(copy, held).into()));
                    }
                    all.insert(copy.original, made);
                }
                Err((error, offset)) => {
                    roll_back(server).await?;
                    let mut rejected = Rejected::default();
                    match self.members.get(position) {
                        Some(Member { declared: Some(declared), .. }) => rejected.query(declared, &error, offset),
                        _ => rejected.problems.push(self.forbidden(copy, &error, &all, live)),
                    }
                    return Ok(Err(rejected));
                }
            }
        }
        let printed = self.printed(server, &copies).await?;
        let rehearsed = copies.iter().zip(printed).map(|(copy, query)| {
            let (columns, exposed) = all.remove(copy.original).unwrap_or_default();
            (copy.original.clone(), Printed { query, columns, exposed })
        });
        Ok(Ok(rehearsed.collect()))
    }

    fn copies(&self) -> Vec<Copy<'a>> {
        let temporary = Ident::fixed("pg_temp");
        let names: Vec<_> = self.members.iter().map(|member| member.name).collect();
        let of_members = self.members.iter().map(|member| Copy {
            original: member.name,
            name: member.name.name.clone(),
            query: member.query.redirected(&names, &temporary),
            path: if member.declared.is_some() { self.path } else { &[] },
        });
        let of_views = self.views.iter().filter_map(|view| view.plain_view()).enumerate().map(|(number, view)| Copy {
            original: &view.name,
            name: Ident::generated(&format!("reconcile_probe_{number}"), &number),
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

    /// Finds a copy that would hide another relation with its name, along the search path of a query.
    async fn shadowed<S: Ask>(&self, server: &mut S) -> Result<Option<Problem>, S::Error> {
        let ask = |sql: Sql, member: &Member<'_>| {
            let (bare, full) = (member.name.name.quoted(), member.name.quoted());
            sql.raw("to_regclass(")
                .literal(&bare)
                .raw(") <> coalesce(to_regclass(")
                .literal(&full)
                .raw("), 0::regclass)")
        };
        let others = Sql::new("SELECT array_to_json(ARRAY[").list(self.members, ", ", ask).raw("])");
        let others: Vec<Option<bool>> = ask_alone(server, self.path, others).await?.one()?.json(0)?;
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
        let problem = Problem::new(&declared.body_at(), message).on_text(0);
        Ok(Some(problem.hint("write it with its schema")))
    }

    /// The problem with a dependent view that is not possible with the new query.
    fn forbidden(
        &self,
        copy: &Copy<'_>,
        error: &ServerError,
        made: &BTreeMap<&QualifiedName, Made>,
        live: &Live,
    ) -> Problem {
        let is_it =
            |dependent: &&Dependent| dependent.relation.as_ref().is_some_and(|reader| reader.name == *copy.original);
        let dependent = live.dependents.iter().find(is_it);
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
            Some(declared) => Problem::new(&declared.body_at(), message).on_text(0),
            None => Problem::nowhere(message),
        };
        problem.hint(format!("keep what it needs, or drop {what} in a migration")).refusal()
    }

    /// The problem with a view that still depends on the original, by a constant such as `'a.b'::regclass`.
    fn held(&self, copy: &Copy<'_>, held: &str) -> Problem {
        let message = format!("view {} depends on {held} itself, as by a constant of type regclass", copy.original);
        let problem = match self.first_declared() {
            Some(declared) => Problem::new(&declared.body_at(), message).on_text(0),
            None => Problem::nowhere(message),
        };
        problem.hint("drop that in a migration, apply, and make it again").refusal()
    }

    fn declared(&self, name: &QualifiedName) -> Option<&'a Declared<Matview>> {
        self.members.iter().find(|member| member.name == name)?.declared
    }

    fn first_declared(&self) -> Option<&'a Declared<Matview>> {
        self.members.iter().find_map(|member| member.declared)
    }

    /// Renames each copy to the name that its original has while it is built, so that the others are printed with it;
    /// then ends the rehearsal.
    async fn printed<S: Ask>(&self, server: &mut S, copies: &[Copy<'_>]) -> Result<Vec<Query>, S::Error> {
        let mut batch = Batch::default();
        batch.look_up_in(&[]);
        let mut names = Vec::new();
        for (position, copy) in copies.iter().enumerate() {
            let name = match self.members.get(position) {
                Some(member) => {
                    let name = building_name(member.name).name;
                    let rename = Sql::new("ALTER VIEW ").name(&temporary(&copy.name)).raw(" RENAME TO ").ident(&name);
                    batch.run(rename);
                    name
                }
                None => copy.name.clone(),
            };
            names.push(name);
        }
        let printed = batch.ask(prints(&names.iter().collect::<Vec<_>>()));
        batch.run("ROLLBACK");
        let printed = server.send(&batch).await?.take(printed)?;
        Ok(printed.column(0)?.into_iter().map(Query::from_server).collect())
    }
}

impl Copy<'_> {
    /// Creates the copy, and reads its columns, the functions that depend on the search path, and the materialized
    /// views that it still depends on. The inner error says why the server refuses it, and where in the original query.
    async fn made<S: Ask>(&self, server: &mut S) -> Result<MadeOrRefused, S::Error> {
        let held = Sql::new(
            "SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_rewrite r \
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass \
             JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'm' JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE r.ev_class = ",
        );
        let held = held.literal(&temporary(&self.name).quoted()).raw("::regclass");
        let mut batch = Batch::default();
        // Copies come after the system's schema, so that a view called `date` does not hide the type.
        let path = Sql::new("SET LOCAL search_path = pg_catalog, pg_temp");
        batch.run(path.list(self.path, "", |sql, schema| sql.raw(", ").ident(schema)));
        let create = create(&self.name, &self.query.query);
        let made = batch.ask(&create);
        batch.look_up_in(&[]);
        let shape = ask_shape(&self.name, &mut batch);
        let held = batch.ask(held);
        match judged(server, &batch).await? {
            Ok(mut answers) => Ok(Ok((shape.read(&mut answers)?, answers.take(held)?.column(0)?))),
            Err(error) => {
                let offset = offset_in(&batch, &error, made, &create, &self.query.query);
                Ok(Err((error, offset.map(|offset| self.query.origin(offset)))))
            }
        }
    }
}
