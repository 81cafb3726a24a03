//! Decides what to ask the server about declared indexes, and puts its answers into the terms of the live ones.

use reconcile_core::{
    desired::{DeclaredIndex, DeclaredMatview, Desired, DesiredRelation},
    kinds::{
        index::{
            Definition, FragmentPlace, Index,
            canonical::{self, Canonical},
            check,
            compare::same_shape,
        },
        matview::{dependents::TypedColumn, group},
    },
    live::{Live, Relation},
    postgres::{name::Ident, sql::Sql},
    problem::Problem,
    scope::Bounds,
};
use sea_orm::sqlx::Row as _;

use crate::{
    LiveError, Session, planner,
    probe::{self, Answer, Question, Refusal},
    server::Server,
};

/// Printing and parsing again settles after this many trips, or it never does.
const TRIPS: usize = 3;

/// What the server made of the declared definitions.
#[derive(Debug, Default)]
pub struct Resolved {
    /// In canonical form.
    pub canonical: Canonical,
    /// Those that it does not accept.
    pub problems: Vec<Problem>,
}

/// Brings the declared indexes that are not settled into the server's form.
///
/// # Errors
/// The connection or a query of ours fails.
pub async fn canonical(
    session: &mut Session,
    desired: &Desired,
    live: &Live,
    bounds: Bounds<'_>,
    server: &Server<'_>,
) -> Result<Resolved, LiveError> {
    let made = views_to_be(desired, live, bounds, &server.options.search_path);
    let unsettled: Vec<_> = canonical::unsettled(desired, live)
        .into_iter()
        .filter(|(_, relation)| !made.iter().any(|(view, _)| view.name == relation.name))
        .filter(|(declared, relation)| check::index(declared, relation, live).is_empty())
        .collect();
    let mut judged = if unsettled.is_empty() {
        Judged::default()
    } else if server.facts.read_only || !server.facts.temporary {
        explained(session, &unsettled, server).await?
    } else {
        probed(session, &unsettled, server).await?
    };
    probed_on_views(session, &made, server, &mut judged).await?;
    let mut resolved = Resolved { canonical: judged.canonical, problems: Vec::new() };
    if !judged.refused.is_empty() {
        let names = class_names(session).await?;
        resolved.problems = judged.refused.iter().map(|refused| refused.problem(&names)).collect();
    }
    Ok(resolved)
}

/// What the server said of each.
#[derive(Default)]
struct Judged<'a> {
    canonical: Canonical,
    refused: Vec<Refused<'a>>,
}

/// A declared index that the server does not accept.
struct Refused<'a> {
    declared: &'a DeclaredIndex,
    /// Of what carries it.
    columns: Vec<&'a str>,
    refusal: Refusal,
}

type Unsettled<'a> = (&'a DeclaredIndex, &'a Relation);

async fn probed<'a>(
    session: &mut Session,
    unsettled: &[Unsettled<'a>],
    server: &Server<'_>,
) -> Result<Judged<'a>, LiveError> {
    let questions: Vec<_> = unsettled.iter().map(|(declared, relation)| question(relation, &declared.index)).collect();
    let answers = probe::ask(session, &questions, server).await?;
    let mut judged = Judged::default();
    let mut open = Vec::new();
    for (&(declared, relation), answer) in unsettled.iter().zip(answers) {
        match answer {
            Ok(definition) => {
                if let Some(trail) = Trail::new(declared, relation, &definition) {
                    open.push(trail);
                }
                judged.canonical.insert(declared.index.address(), definition);
            }
            Err(refusal) if needs_the_table_itself(&refusal) => {
                match planner::canonical(session, &declared.index, relation, server).await {
                    Ok(definition) => {
                        judged.canonical.insert(declared.index.address(), definition);
                    }
                    Err(LiveError::Server(_)) => {
                        session.batch("ROLLBACK").await?;
                        judged.refused.push(Refused { declared, columns: columns(relation), refusal });
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(refusal) => judged.refused.push(Refused { declared, columns: columns(relation), refusal }),
        }
    }
    for (address, definition) in follow(session, open, server).await? {
        judged.canonical.insert(address, definition);
    }
    Ok(judged)
}

fn columns(relation: &Relation) -> Vec<&str> {
    relation.columns.iter().map(|column| column.name.as_str()).collect()
}

/// A declared view that is to be made, or made anew, with the columns that it will have.
type ViewToBe<'a> = (&'a DesiredRelation, &'a [TypedColumn]);

fn views_to_be<'a>(desired: &'a Desired, live: &'a Live, bounds: Bounds<'_>, path: &[Ident]) -> Vec<ViewToBe<'a>> {
    let members = group::moving(desired, live, bounds, path).unwrap_or_default();
    let declared = members.iter().filter_map(|member| member.declared);
    let view = |declared: &'a DeclaredMatview| {
        let printed = live.matviews.printed.get(&declared.view.name)?;
        Some((desired.relation(&declared.view.name)?, printed.columns.as_slice()))
    };
    declared.filter_map(view).collect()
}

/// Indexes on views as they will be, which stand nowhere yet.
async fn probed_on_views<'a>(
    session: &mut Session,
    made: &[ViewToBe<'a>],
    server: &Server<'_>,
    judged: &mut Judged<'a>,
) -> Result<(), LiveError> {
    let indexes = made.iter().flat_map(|(view, columns)| view.indexes.iter().map(move |declared| (declared, *columns)));
    let sound = |(declared, columns): &(&DeclaredIndex, &[TypedColumn])| {
        let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
        check::unknown_columns(declared, &declared.index.table, &names).is_empty()
    };
    let indexes: Vec<_> = indexes.filter(sound).collect();
    let question = |(declared, columns): &(&DeclaredIndex, &[TypedColumn])| Question {
        table: declared.index.table.clone(),
        columns: Some(columns.to_vec()),
        index: declared.index.clone(),
    };
    let questions: Vec<_> = indexes.iter().map(question).collect();
    for ((declared, columns), answer) in indexes.into_iter().zip(probe::ask(session, &questions, server).await?) {
        match answer {
            Ok(definition) => {
                judged.canonical.insert(declared.index.address(), definition);
            }
            Err(refusal) => {
                let columns = columns.iter().map(|column| column.name.as_str()).collect();
                judged.refused.push(Refused { declared, columns, refusal });
            }
        }
    }
    Ok(())
}

/// A fragment that names the table with its schema, or calls a function of its row type, means nothing on a copy.
fn needs_the_table_itself(refusal: &Refusal) -> bool {
    matches!(refusal.error.code.as_str(), "42P01" | "42883")
}

fn question(relation: &Relation, index: &Index) -> Question {
    Question { table: relation.name.clone(), columns: None, index: index.clone() }
}

/// A declared definition and a live one of the same shape, each printed and parsed again until they meet: what the
/// server prints is not always what it would print of its own print (TRAPS 1).
struct Trail<'a> {
    declared: &'a DeclaredIndex,
    relation: &'a Relation,
    ours: Vec<Definition>,
    candidates: Vec<Candidate<'a>>,
}

struct Candidate<'a> {
    live: &'a Definition,
    trail: Vec<Definition>,
}

impl<'a> Trail<'a> {
    /// `None` where there is nothing to follow: equal already, without SQL, or without a live index of that shape.
    fn new(declared: &'a DeclaredIndex, relation: &'a Relation, definition: &Definition) -> Option<Self> {
        // Two live indexes may mean the same; its own comes first.
        let own = relation.indexes.get(&declared.index.name);
        let others = relation.indexes.values().filter(|live| live.index.name != declared.index.name);
        let live = own.into_iter().chain(others).map(|live| &live.index.definition);
        let alike: Vec<_> = live.filter(|live| same_shape(live, definition)).collect();
        if alike.is_empty() || !definition.has_fragments() || alike.contains(&definition) {
            return None;
        }
        let candidates = alike.into_iter().map(|live| Candidate { live, trail: vec![live.clone()] }).collect();
        Some(Self { declared, relation, ours: vec![definition.clone()], candidates })
    }

    /// The live definition that the declared one has met.
    fn met(&self) -> Option<&'a Definition> {
        let met = |candidate: &&Candidate<'a>| candidate.trail.iter().any(|form| self.ours.contains(form));
        self.candidates.iter().find(met).map(|candidate| candidate.live)
    }

    fn latest(&self) -> impl Iterator<Item = &Definition> {
        self.ours.last().into_iter().chain(self.candidates.iter().filter_map(|candidate| candidate.trail.last()))
    }

    /// Nothing moves any more: these are different definitions.
    fn has_settled(&self) -> bool {
        let mut trails = std::iter::once(&self.ours).chain(self.candidates.iter().map(|candidate| &candidate.trail));
        trails.all(|trail| matches!(trail.as_slice(), [.., before, last] if before == last))
    }

    fn walk(&mut self, answers: &mut impl Iterator<Item = Answer>) {
        let trails = std::iter::once(&mut self.ours).chain(self.candidates.iter_mut().map(|c| &mut c.trail));
        for (trail, answer) in trails.zip(answers) {
            // The server refuses its own print only where a name is shadowed; then that trail ends here.
            trail.extend(answer.ok());
        }
    }
}

async fn follow(
    session: &mut Session,
    mut open: Vec<Trail<'_>>,
    server: &Server<'_>,
) -> Result<Vec<(reconcile_core::address::Address, Definition)>, LiveError> {
    let mut met = Vec::new();
    for _ in 0..TRIPS {
        let questions: Vec<_> = open
            .iter()
            .flat_map(|trail| {
                let index =
                    |definition: &Definition| Index { definition: definition.clone(), ..trail.declared.index.clone() };
                trail.latest().map(move |definition| question(trail.relation, &index(definition)))
            })
            .collect();
        let mut answers = probe::ask(session, &questions, server).await?.into_iter();
        for trail in &mut open {
            trail.walk(&mut answers);
        }
        open.retain(|trail| match trail.met() {
            Some(live) => {
                met.push((trail.declared.index.address(), live.clone()));
                false
            }
            None => !trail.has_settled(),
        });
    }
    Ok(met)
}

/// Where no temporary table can be made (a standby, a role without TEMPORARY), the planner stands in.
async fn explained<'a>(
    session: &mut Session,
    unsettled: &[Unsettled<'a>],
    server: &Server<'_>,
) -> Result<Judged<'a>, LiveError> {
    let mut judged = Judged::default();
    for &(declared, relation) in unsettled {
        match planner::canonical(session, &declared.index, relation, server).await {
            Ok(definition) => {
                judged.canonical.insert(declared.index.address(), definition);
            }
            Err(LiveError::Server(error)) if probe::is_about_us(&error) => return Err(LiveError::Server(error)),
            Err(LiveError::Server(error)) => {
                session.batch("ROLLBACK").await?;
                let refusal = Refusal { error: *error, statement: Sql::default(), offset: None };
                judged.refused.push(Refused { declared, columns: columns(relation), refusal });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(judged)
}

impl Refused<'_> {
    /// The user's mistake, at the fragment that the server points into.
    fn problem(&self, classes: &[String]) -> Problem {
        let (declared, error) = (self.declared, &self.refusal.error);
        let detail = error.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let message = format!("the server does not accept this index: {}{detail}", error.message);
        let problem = match place(declared, &self.refusal) {
            Some((place, offset)) => Problem::new(&fragment_at(declared, place), message).on_text(offset),
            None => named_at(declared, &error.message, message),
        };
        let columns = self.columns.iter().copied();
        let missing = error.message.contains("does not exist") || error.message.contains("unrecognized");
        match (&error.hint, quoted(&error.message).filter(|_| missing)) {
            (Some(hint), _) => problem.hint(hint.clone()),
            (None, Some(word)) => problem.did_you_mean(&word, columns.chain(classes.iter().map(String::as_str))),
            (None, None) => problem,
        }
    }
}

/// The fragment that the server's position lies in, and how many bytes into it.
fn place(declared: &DeclaredIndex, refusal: &Refusal) -> Option<(FragmentPlace, usize)> {
    let offset = refusal.offset?;
    let statement = refusal.statement.as_str();
    // The names before it may hold the same letters; a fragment stands in brackets of its own.
    let mut from = statement.find(" USING ")?;
    for (place, fragment) in declared.index.definition.fragments() {
        let text = fragment.as_str();
        let start = match place {
            FragmentPlace::Key(_) => from + statement.get(from..)?.find(&format!("({text}"))? + 1,
            FragmentPlace::Predicate => statement.rfind(&format!("({text}"))? + 1,
        };
        from = start + text.len();
        if (start..=from).contains(&offset) {
            return Some((place, offset - start));
        }
    }
    None
}

fn fragment_at(declared: &DeclaredIndex, place: FragmentPlace) -> reconcile_core::source::Source {
    match place {
        FragmentPlace::Key(position) => declared.column_at(position).key("expression"),
        FragmentPlace::Predicate => declared.at.key("where"),
    }
}

/// Without a position: a problem at the node whose value the server quotes.
fn named_at(declared: &DeclaredIndex, message: &str, said: String) -> Problem {
    let says = |name: &str| message.contains(&format!("\"{name}\""));
    // What the server says of volatile functions names the clause instead.
    let mut fragments = declared.index.definition.fragments().map(|(place, _)| place);
    let clause = if message.contains("index predicate") {
        fragments.find(|place| *place == FragmentPlace::Predicate)
    } else if message.contains("index expression") {
        fragments.next()
    } else {
        None
    };
    if let Some(place) = clause {
        return Problem::new(&fragment_at(declared, place), said);
    }
    for (position, key) in declared.index.definition.columns.iter().enumerate() {
        let at = || declared.column_at(position);
        if let Some(name) = key.opclass_parameters.keys().find(|name| says(name.as_str())) {
            return Problem::new(&at().key("opclass_parameters").key(name.as_str()), said).on_key();
        }
        if key.opclass.as_ref().is_some_and(|opclass| says(opclass.name.as_str())) {
            return Problem::new(&at().key("opclass"), said);
        }
        if key.collation.as_ref().is_some_and(|collation| says(collation.name.as_str())) {
            return Problem::new(&at().key("collation"), said);
        }
    }
    match declared.index.with.iter().flatten().find(|(name, _)| says(name.as_str())) {
        Some((name, _)) => Problem::new(&declared.at.key("with").key(name.as_str()), said).on_key(),
        None => Problem::new(&declared.at, said).on_key(),
    }
}

/// The first word that a message of the server has in quotes.
fn quoted(message: &str) -> Option<String> {
    message.split('"').nth(1).map(str::to_owned)
}

/// The operator classes and collations that a refused name may have meant.
async fn class_names(session: &mut Session) -> Result<Vec<String>, LiveError> {
    let results =
        session.batch("SELECT opcname::text FROM pg_opclass UNION SELECT collname::text FROM pg_collation").await?;
    results.iter().flatten().map(|row| Ok(row.try_get(0)?)).collect()
}
