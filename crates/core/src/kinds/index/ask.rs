//! Which declared indexes the server has to check, what it is asked, and what its answers mean.

use super::{
    Carrier, Definition, DesiredRelation, FragmentPlace, Index, View,
    catalog::Names,
    check,
    compare::same_shape,
    explain,
    probe::{self, Copied, Question, Rejection},
};
use crate::{
    address::Address,
    declared::Declared,
    kind::{Asking, Projection},
    postgres::{
        batch::{Ask, Batch, roll_back},
        fixed_point::{TRIPS, Trails},
        name::Ident,
        relation::{Column, names as names_of},
        sql::Sql,
    },
    problem::Problem,
    source::Source,
};

/// The server's form of declared definitions.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Definitions in canonical form.
    pub canonical: Vec<(Address, Definition)>,
    /// Indexes with mistakes in their names, which the server is not asked about.
    pub misnamed: Vec<(Address, Vec<Problem>)>,
    /// Mistakes that the server found.
    pub problems: Vec<Problem>,
}

/// Brings the declared indexes that are not settled into the server's form. `ahead` has the relations as they will be.
///
/// # Errors
/// The connection or a query of ours fails.
pub async fn resolve<S: Ask>(
    server: &mut S,
    view: View<'_>,
    ahead: &Projection,
    names: &Names,
    asking: Asking<'_>,
) -> Result<Resolved, S::Error> {
    let mut judged = Judged::default();
    let mut sound = Vec::new();
    for (declared, carrier) in view.unsettled() {
        // Those of a relation that will be otherwise are judged by what it will be.
        if ahead.relation(&carrier.name).is_some_and(|projected| projected.columns.is_some()) {
            continue;
        }
        let problems = check::index(declared, carrier, view.live, asking.context);
        if problems.is_empty() {
            sound.push((declared, carrier));
        } else {
            judged.misnamed.push((declared.object.address(), problems));
        }
    }
    if asking.may_make_temporary {
        judged.probe(server, &sound, names, asking).await?;
    } else {
        judged.explain(server, &sound, names, asking).await?;
    }
    judged.probe_ahead(server, view, ahead, names, asking).await?;
    let mut problems = Vec::new();
    if !judged.rejected.is_empty() {
        let classes = class_names(server).await?;
        problems = judged.rejected.iter().map(|rejected| rejected.problem(&classes)).collect();
    }
    Ok(Resolved { canonical: judged.canonical, misnamed: judged.misnamed, problems })
}

/// The server's answer for each index.
#[derive(Default)]
struct Judged<'a> {
    canonical: Vec<(Address, Definition)>,
    misnamed: Vec<(Address, Vec<Problem>)>,
    rejected: Vec<Rejected<'a>>,
}

/// A declared index that the server refused.
struct Rejected<'a> {
    declared: &'a Declared<Index>,
    /// The columns of its relation.
    columns: Vec<Ident>,
    rejection: Rejection,
}

type Unsettled<'a> = (&'a Declared<Index>, &'a Carrier);

impl<'a> Judged<'a> {
    async fn probe<S: Ask>(
        &mut self,
        server: &mut S,
        unsettled: &[Unsettled<'a>],
        names: &Names,
        asking: Asking<'_>,
    ) -> Result<(), S::Error> {
        let questions: Vec<_> = unsettled.iter().map(|(declared, carrier)| first_question(declared, carrier)).collect();
        let answers = probe::ask(server, &questions, names, &asking.context.session.search_path).await?;
        let mut open = Vec::new();
        for (&(declared, carrier), answer) in unsettled.iter().zip(answers) {
            match answer {
                Ok(definition) => match Following::begin(declared, carrier, &definition) {
                    Some(following) => open.push(following),
                    None => self.canonical.push((declared.object.address(), definition)),
                },
                Err(rejection) if needs_the_table_itself(&rejection) && !builds_parts(declared, carrier) => {
                    self.explain_one(server, (declared, carrier), Some(rejection), names, asking).await?;
                }
                Err(mut rejection) => {
                    rejection.on_partitions |= needs_the_table_itself(&rejection) && builds_parts(declared, carrier);
                    self.reject(declared, names_of(&carrier.columns), rejection);
                }
            }
        }
        self.follow(server, open, names).await
    }

    /// Asks the planner where no temporary table can be made (on a standby, or for a role without TEMPORARY).
    async fn explain<S: Ask>(
        &mut self,
        server: &mut S,
        unsettled: &[Unsettled<'a>],
        names: &Names,
        asking: Asking<'_>,
    ) -> Result<(), S::Error> {
        for unsettled in unsettled {
            self.explain_one(server, *unsettled, None, names, asking).await?;
        }
        Ok(())
    }

    /// Asks the planner about one index. `rejection` is the server's answer about a copy, which says more than EXPLAIN.
    async fn explain_one<S: Ask>(
        &mut self,
        server: &mut S,
        (declared, carrier): Unsettled<'a>,
        rejection: Option<Rejection>,
        names: &Names,
        asking: Asking<'_>,
    ) -> Result<(), S::Error> {
        let error = match explain::canonical(server, &declared.object, carrier, names, asking.context).await {
            Ok(definition) => {
                self.canonical.push((declared.object.address(), definition));
                return Ok(());
            }
            Err(error) => S::refusal(error)?,
        };
        if rejection.is_none() && error.is_about_us() {
            return Err(S::refused(error));
        }
        roll_back(server).await?;
        let found = Rejection { error: *error, statement: Sql::default(), offset: None, on_partitions: false };
        self.reject(declared, names_of(&carrier.columns), rejection.unwrap_or(found));
        Ok(())
    }

    /// Checks indexes on relations as they will be, which do not exist yet.
    async fn probe_ahead<'c, S: Ask>(
        &mut self,
        server: &mut S,
        view: View<'a>,
        ahead: &'c Projection,
        names: &Names,
        asking: Asking<'_>,
    ) -> Result<(), S::Error> {
        let relations = ahead.columns().filter_map(|(name, columns)| Some((view.desired(name)?, columns)));
        let of_relation = |(relation, columns): (&'a DesiredRelation, _)| {
            relation.indexes.iter().map(move |declared| (declared, columns))
        };
        let sound = |(declared, columns): &(&Declared<Index>, &[Column])| {
            check::unknown_columns(declared, &declared.object.table, &names_of(columns)).is_empty()
        };
        let indexes: Vec<_> = relations.flat_map(of_relation).filter(sound).collect();
        let question = |(declared, columns): &(&'a Declared<Index>, &'c [Column])| Question {
            table: &declared.object.table,
            copy: Copied::Columns(columns),
            on_partitions: false,
            index: declared.object.clone(),
        };
        let questions: Vec<_> = indexes.iter().map(question).collect();
        let answers = probe::ask(server, &questions, names, &asking.context.session.search_path).await?;
        for ((declared, columns), answer) in indexes.into_iter().zip(answers) {
            match answer {
                Ok(definition) => self.canonical.push((declared.object.address(), definition)),
                Err(rejection) => self.reject(declared, names_of(columns), rejection),
            }
        }
        Ok(())
    }

    /// Has declared and live definitions printed again until they are equal. The server has printed all of them by now, and
    /// its prints are read with an empty search path.
    async fn follow<S: Ask>(
        &mut self,
        server: &mut S,
        mut open: Vec<Following<'a>>,
        names: &Names,
    ) -> Result<(), S::Error> {
        for _ in 0..TRIPS {
            let questions: Vec<_> = open.iter().flat_map(Following::questions).collect();
            let answers = probe::ask(server, &questions, names, &[]).await?;
            let mut answers = answers.into_iter().map(Result::ok);
            for following in &mut open {
                following.trails.walk(&mut answers);
            }
            let (over, going): (Vec<_>, Vec<_>) = open.into_iter().partition(Following::is_over);
            self.canonical.extend(over.into_iter().map(Following::end));
            open = going;
        }
        self.canonical.extend(open.into_iter().map(Following::end));
        Ok(())
    }

    fn reject(&mut self, declared: &'a Declared<Index>, columns: Vec<Ident>, rejection: Rejection) {
        self.rejected.push(Rejected { declared, columns, rejection });
    }
}

/// Whether the fragment needs the table itself. One that names the table with its schema, calls a function of its row
/// type, or converts its row to that type, fails on a copy.
fn needs_the_table_itself(rejection: &Rejection) -> bool {
    matches!(rejection.error.code.as_str(), "42P01" | "42883" | "42846")
}

/// Whether each partition may get an index of its own by the declared text. A partition has neither the name nor the row
/// type of the table.
fn builds_parts(declared: &Declared<Index>, carrier: &Carrier) -> bool {
    !carrier.partitions.is_empty() && !carrier.indexes.contains_key(&declared.object.name)
}

fn first_question<'a>(declared: &Declared<Index>, carrier: &'a Carrier) -> Question<'a> {
    Question { on_partitions: builds_parts(declared, carrier), ..question(carrier, declared.object.clone()) }
}

fn question(carrier: &Carrier, index: Index) -> Question<'_> {
    let copy = Copied::Standing { partitioned_by: carrier.partitioned_by.as_deref() };
    Question { table: &carrier.name, copy, on_partitions: false, index }
}

/// A declared definition and the live ones of the same shape, which are printed until they are equal.
struct Following<'a> {
    declared: &'a Declared<Index>,
    carrier: &'a Carrier,
    first: Definition,
    candidates: Vec<&'a Definition>,
    trails: Trails<Definition>,
}

impl<'a> Following<'a> {
    /// `None` if there is nothing to compare: they are equal already, have no SQL, or no live index has that shape.
    fn begin(declared: &'a Declared<Index>, carrier: &'a Carrier, first: &Definition) -> Option<Self> {
        // Two live indexes may mean the same. The one of the same name comes first.
        let own = carrier.indexes.get(&declared.object.name);
        let others = carrier.indexes.values().filter(|live| live.index.name != declared.object.name);
        let live = own.into_iter().chain(others).map(|live| &live.index.definition);
        let candidates: Vec<_> = live.filter(|live| same_shape(live, first)).collect();
        if candidates.is_empty() || !first.has_fragments() || candidates.contains(&first) {
            return None;
        }
        let trails = Trails::new(first.clone(), candidates.iter().copied().cloned());
        Some(Self { declared, carrier, first: first.clone(), candidates, trails })
    }

    fn questions(&self) -> impl Iterator<Item = Question<'a>> {
        let (declared, carrier) = (self.declared, self.carrier);
        self.trails.latest().map(move |definition| {
            question(carrier, Index { definition: definition.clone(), ..declared.object.clone() })
        })
    }

    fn is_over(&self) -> bool {
        self.trails.met().is_some() || self.trails.has_settled()
    }

    /// The live definition that it equals, or else its own.
    fn end(self) -> (Address, Definition) {
        let met = self.trails.met().and_then(|position| self.candidates.get(position));
        (self.declared.object.address(), met.map_or(self.first, |met| (*met).clone()))
    }
}

impl Rejected<'_> {
    /// The mistake, at the fragment that the server's position points into.
    fn problem(&self, classes: &[String]) -> Problem {
        let (declared, error) = (self.declared, &self.rejection.error);
        let message = format!("the server does not accept this index: {}", error.with_detail());
        let problem = match place(declared, &self.rejection) {
            Some((place, offset)) => Problem::new(&fragment_at(declared, place), message).on_text(offset),
            None => named_at(declared, &error.message, message),
        };
        let columns = self.columns.iter().map(Ident::as_str);
        let missing = error.message.contains("does not exist") || error.message.contains("unrecognized");
        if self.rejection.on_partitions && needs_the_table_itself(&self.rejection) {
            return problem.hint(
                "each partition gets an index of its own, so write columns without the name of the table, and no function \
                 of its row",
            );
        }
        match (&error.hint, quoted(&error.message).filter(|_| missing)) {
            (Some(hint), _) => problem.hint(hint.clone()),
            (None, Some(word)) => problem.did_you_mean(&word, columns.chain(classes.iter().map(String::as_str))),
            (None, None) => problem,
        }
    }
}

/// The fragment that the server's position is in, and the offset in it in bytes.
fn place(declared: &Declared<Index>, rejection: &Rejection) -> Option<(FragmentPlace, usize)> {
    let offset = rejection.offset?;
    let statement = rejection.statement.as_str();
    // Names before it may contain the same text. A fragment is always inside parentheses.
    let mut from = statement.find(" USING ")?;
    for (place, fragment) in declared.object.definition.fragments() {
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

fn fragment_at(declared: &Declared<Index>, place: FragmentPlace) -> Source {
    match place {
        FragmentPlace::Key(position) => declared.column_at(position).key("expression"),
        FragmentPlace::Predicate => declared.at.key("where"),
    }
}

/// A mistake without a position, at the node whose value the server quotes.
fn named_at(declared: &Declared<Index>, message: &str, said: String) -> Problem {
    let says = |name: &str| message.contains(&format!("\"{name}\""));
    // For volatile functions, the server names the clause instead.
    let mut fragments = declared.object.definition.fragments().map(|(place, _)| place);
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
    for (position, key) in declared.object.definition.columns.iter().enumerate() {
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
    match declared.object.with.iter().flatten().find(|(name, _)| says(name.as_str())) {
        Some((name, _)) => Problem::new(&declared.at.key("with").key(name.as_str()), said).on_key(),
        None => Problem::new(&declared.at, said).on_key(),
    }
}

/// The first quoted word of a server's message.
fn quoted(message: &str) -> Option<String> {
    message.split('"').nth(1).map(str::to_owned)
}

/// The operator classes and collations that a mistyped name may have meant.
async fn class_names<S: Ask>(server: &mut S) -> Result<Vec<String>, S::Error> {
    let mut batch = Batch::default();
    let names = batch.ask("SELECT opcname FROM pg_opclass UNION SELECT collname FROM pg_collation");
    Ok(server.send(&batch).await?.take(names)?.column(0)?)
}
