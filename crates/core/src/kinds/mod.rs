//! The kinds of objects, a folder each, and the one list of them: whatever is to be done for every kind is done here.
//! What is particular to a kind is in its folder.

pub mod index;
pub mod matview;
pub mod retention;
pub mod schedule;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::{
    index::{DesiredRelation, Index, Indexes},
    matview::{Matview, Matviews},
    retention::{Rule, Rules},
    schedule::{Schedule, Schedules},
};
use crate::{
    address::{Address, AddressError, KindName, Shape},
    change::{Change, SessionSettings, Step, TimeLimits},
    declared::Declared,
    digest::Digest,
    kind::{Asking, Context, Kind, Part, Projection, Scheduler, Undoing},
    postgres::{
        batch::{self, Answers, Ask, Batch},
        name::{Ident, QualifiedName},
        routine::SharedRoutine,
        rows::DecodeError,
        sql::Sql,
    },
    problem::Problem,
    registry::{EntryError, Registry},
    scope::Scope,
    server::{DatabaseId, Vocabulary},
};

/// Every kind that this version knows, in the order in which plans list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindId {
    /// Indexes.
    Index,
    /// Materialized views.
    Matview,
    /// Retention rules.
    Retention,
    /// Jobs in the database.
    Schedule,
}

/// What one kind says, whichever it is.
macro_rules! of_kind {
    ($kind:expr, $type:ident => $said:expr) => {
        match $kind {
            KindId::Index => {
                type $type = Indexes;
                $said
            }
            KindId::Matview => {
                type $type = Matviews;
                $said
            }
            KindId::Retention => {
                type $type = Rules;
                $said
            }
            KindId::Schedule => {
                type $type = Schedules;
                $said
            }
        }
    };
}

impl KindId {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Index, Self::Matview, Self::Retention, Self::Schedule];

    /// What its addresses begin with.
    #[must_use]
    pub fn name(self) -> KindName {
        of_kind!(self, K => K::NAME)
    }

    fn shape(self) -> Shape {
        of_kind!(self, K => K::SHAPE)
    }

    fn example(self) -> &'static str {
        of_kind!(self, K => K::EXAMPLE)
    }

    /// Whether a plan reads the registry's declarations of it.
    #[must_use]
    pub fn reads_declarations(self) -> bool {
        of_kind!(self, K => K::READS_DECLARATIONS)
    }

    fn routines(self) -> &'static [SharedRoutine] {
        of_kind!(self, K => K::ROUTINES)
    }

    fn make_routines(self, registry: &Ident) -> Vec<Sql> {
        of_kind!(self, K => K::routines(registry))
    }
}

/// The names of the routines that all objects of a kind share.
pub fn shared_routines() -> impl Iterator<Item = &'static str> {
    KindId::ALL.into_iter().flat_map(KindId::routines).map(|(name, _)| *name)
}

/// The statements that make them.
#[must_use]
pub fn make_shared_routines(registry: &Ident) -> Vec<Sql> {
    KindId::ALL.into_iter().flat_map(|kind| kind.make_routines(registry)).collect()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let kind = text.split('/').next().unwrap_or_default();
        let Some(kind) = KindId::ALL.into_iter().find(|known| known.name().as_str() == kind) else {
            return Err(AddressError::Kind(text.to_owned()));
        };
        let [first @ .., last] = KindId::ALL.map(|kind| format!("`{}`", kind.example()));
        Self::read(kind.name(), kind.shape(), text, &format!("{} or {last}", first.join(", ")))
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

/// An object of any kind, in canonical form or as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Object {
    /// An index.
    Index(Box<Index>),
    /// A materialized view.
    Matview(Box<Matview>),
    /// A retention rule.
    Retention(Box<Rule>),
    /// A job in the database.
    Schedule(Box<Schedule>),
}

impl Object {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Index(index) => index.address(),
            Self::Matview(view) => view.address(),
            Self::Retention(rule) => rule.address(),
            Self::Schedule(schedule) => schedule.address(),
        }
    }

    /// Its definition over several lines, for people to compare.
    #[must_use]
    pub fn lines(&self) -> String {
        match self {
            Self::Index(index) => index.lines(),
            Self::Matview(view) => view.lines(),
            Self::Retention(rule) => rule.lines(),
            Self::Schedule(schedule) => schedule.lines(),
        }
    }
}

/// Everything that the project's files ask for, each with the place that asks.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Every relation that stands under `tables:`, and every materialized view, with their indexes.
    pub relations: Vec<DesiredRelation>,
    /// Materialized views, in the order of names.
    pub matviews: Vec<Declared<Matview>>,
    /// Retention rules, in the order of their tables.
    pub rules: Vec<Declared<Rule>>,
    /// Who runs what is due; `None` where the project does not say.
    pub scheduler: Option<Scheduler>,
    /// Changes when the declarations change in anything but layout.
    pub digest: Digest,
}

impl Desired {
    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(Vec::new(), Vec::new(), Vec::new(), None)
    }

    /// Brings the declarations into one order and takes their digest.
    #[must_use]
    pub fn new(
        mut relations: Vec<DesiredRelation>,
        mut matviews: Vec<Declared<Matview>>,
        mut rules: Vec<Declared<Rule>>,
        scheduler: Option<Scheduler>,
    ) -> Self {
        rules.sort_by(|a, b| a.object.table.cmp(&b.object.table));
        matviews.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in &mut relations {
            relation.indexes.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        }
        let contents: Vec<_> = relations
            .iter()
            .map(|relation| {
                let indexes: Vec<_> = relation.indexes.iter().map(|i| (i.digest.as_str(), i.protect)).collect();
                (&relation.name, relation.prune, indexes)
            })
            .collect();
        let of_rules: Vec<_> = rules.iter().map(|rule| rule.digest.as_str()).collect();
        let mut digest = Digest::of(&(contents, of_rules));
        // What a project has none of leaves the digest as it was before there could be any.
        if !matviews.is_empty() {
            let of_views: Vec<_> = matviews.iter().map(|view| view.digest.as_str()).collect();
            digest = Digest::of(&(digest, of_views));
        }
        if scheduler.is_some() {
            digest = Digest::of(&(digest, scheduler));
        }
        Self { relations, matviews, rules, scheduler, digest }
    }

    /// Every declared index.
    pub fn indexes(&self) -> impl Iterator<Item = &Declared<Index>> {
        self.relations.iter().flat_map(|relation| &relation.indexes)
    }

    /// The addresses of all that is declared by itself; jobs follow from other objects.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let indexes = self.indexes().map(|declared| declared.object.address());
        let views = self.matviews.iter().map(|declared| declared.object.address());
        indexes.chain(views).chain(self.rules.iter().map(|declared| declared.object.address()))
    }

    /// The addresses of what is protected.
    pub fn protected(&self) -> impl Iterator<Item = Address> {
        self.indexes().filter(|declared| declared.protect).map(|declared| declared.object.address())
    }
}

/// The live side: what the catalogs and the registry said, in one snapshot, and what the server made of declared SQL.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// Where it was read.
    pub database: DatabaseId,
    /// The names that exist there.
    pub vocabulary: Vocabulary,
    /// What is reconcile's own.
    pub registry: Registry,
    /// Indexes, and what carries them.
    pub index: index::Live,
    /// Materialized views.
    pub matview: matview::Live,
    /// Retention rules.
    pub retention: retention::Live,
    /// Jobs.
    pub schedule: schedule::Live,
}

/// Both sides of all kinds.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) live: &'a Live,
}

impl<'a> Sides<'a> {
    pub(crate) fn indexes(self) -> index::View<'a> {
        index::View { desired: &self.desired.relations, live: &self.live.index }
    }

    pub(crate) fn views(self) -> matview::View<'a> {
        matview::View { desired: &self.desired.matviews, live: &self.live.matview, indexes: self.indexes() }
    }

    pub(crate) fn rules(self) -> retention::View<'a> {
        retention::View { desired: &self.desired.rules, live: &self.live.retention, views: self.views() }
    }

    fn jobs(self) -> schedule::View<'a> {
        schedule::View { live: &self.live.schedule, rules: self.rules() }
    }
}

/// What was asked for of all kinds, in the first batch of a snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    index: index::read::Relations,
    names: index::read::NamesAsked,
    views: matview::read::Views,
    cron: batch::Asked,
}

/// What was asked for where it turned out to be needed.
#[derive(Clone, Copy)]
pub(crate) struct Details {
    index: index::details::Details,
    tables: Option<batch::Asked>,
    routines: Option<batch::Asked>,
    jobs: Option<batch::Asked>,
}

/// Asks for the live side of all kinds. `registry`: its table, where it can be read.
pub(crate) fn ask(desired: &Desired, registry: Option<&QualifiedName>, version: u32, batch: &mut Batch) -> Asked {
    let relations = desired.relations.iter().map(|relation| &relation.name);
    let views = matview::read::ask(&desired.matviews, registry, batch);
    Asked {
        index: index::read::ask(batch, &index::read::asked(relations, registry), version),
        names: index::read::ask_names(batch),
        views,
        cron: schedule::catalog::ask(batch),
    }
}

impl Live {
    /// Reads the answers. The registry has been read before.
    pub(crate) fn read(&mut self, asked: Asked, answers: &mut Answers) -> Result<index::catalog::Names, DecodeError> {
        let names = index::read::decode_names(asked.names, answers)?;
        self.index = index::Live::read(asked.index, answers, &names)?;
        self.matview = matview::Live::read(asked.views, answers)?;
        self.schedule.cron = schedule::catalog::Cron::read(asked.cron, answers)?;
        Ok(names)
    }

    /// Reads what the registry's entries declare, of the kinds that need it.
    pub(crate) fn read_declarations(&mut self) -> Result<(), EntryError> {
        let Self { registry, matview, retention, schedule, .. } = self;
        let views = registry.declarations(Matviews::NAME)?.into_iter();
        matview.applied = views.map(|(_, view): (_, Matview)| (view.name.clone(), view)).collect();
        let rules = registry.declarations(Rules::NAME)?.into_iter();
        retention.in_force = rules.map(|(_, rule): (_, Rule)| (rule.table.clone(), rule)).collect();
        schedule.made = registry.declarations(Schedules::NAME)?.into_iter().collect();
        Ok(())
    }

    /// Asks for what the kinds need that are not as declared; nothing, where all are.
    pub(crate) fn ask_details(&mut self, desired: &Desired, registry: &Ident, batch: &mut Batch) -> Details {
        self.index.recorded = index::canonical::recorded(Sides { desired, live: self }.indexes(), &self.registry);
        let sides = Sides { desired, live: self };
        let views = sides.views();
        let tables = retention::read::ask(sides.rules(), batch);
        let scheduled = schedule::concerns(sides.jobs(), desired.scheduler);
        let involved = tables.is_some() || scheduled;
        Details {
            index: index::details::ask(sides.indexes(), |name| views.declared(name).is_some(), batch),
            tables,
            routines: involved.then(|| crate::registry::ask_routines(registry, batch)),
            jobs: if involved { self.schedule.cron.ask_jobs(batch) } else { None },
        }
    }

    /// Reads the answers to that.
    pub(crate) fn complete(&mut self, details: Details, answers: &mut Answers) -> Result<(), DecodeError> {
        index::details::complete(details.index, answers, &mut self.index)?;
        retention::read::complete(details.tables, answers, &mut self.retention)?;
        if let Some(routines) = details.routines {
            self.registry.read_routines(routines, answers)?;
        }
        self.schedule.cron.complete(details.jobs, answers)
    }

    /// Whether something is declared of a relation that is not there, so that names to suggest are wanted.
    pub(crate) fn misses_a_relation(&self, desired: &Desired) -> bool {
        let sides = Sides { desired, live: self };
        let views = sides.views();
        index::details::misses_one(sides.indexes(), |name| views.declared(name).is_some())
            || retention::read::misses_one(sides.rules())
    }

    /// Asks the server what declared SQL means, in the order of dependence. Returns what it does not accept.
    pub(crate) async fn resolve<S: Ask>(
        &mut self,
        server: &mut S,
        desired: &Desired,
        names: &index::catalog::Names,
        settings: Settings<'_>,
    ) -> Result<Vec<Problem>, S::Error> {
        let Self { database, vocabulary, registry, index, matview, retention, .. } = self;
        let context = settings.context(database, vocabulary, registry, desired.scheduler);
        let asking = Asking { context, may_make_temporary: settings.may_make_temporary };
        let declared = (desired.matviews.as_slice(), desired.relations.as_slice());
        let mut problems = matview::resolve(server, declared, matview, index, names, asking).await?;
        let indexes = index::View { desired: &desired.relations, live: index };
        let views = matview::View { desired: &desired.matviews, live: matview, indexes };
        let ahead = matview::ahead(views, asking);
        let resolved = index::resolve(server, indexes, &ahead, names, asking).await?;
        let rules = retention::View { desired: &desired.rules, live: retention, views };
        let (estimates, of_rules) = retention::read::estimates(server, rules, context).await?;
        index.canonical = resolved.canonical.into_iter().collect();
        index.misnamed = resolved.misnamed.into_iter().collect();
        retention.estimates = estimates;
        problems.extend(resolved.problems.into_iter().chain(of_rules));
        Ok(problems)
    }
}

/// How the server is asked and planned for.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) session: &'a SessionSettings,
    pub(crate) limits: TimeLimits,
    pub(crate) may_make_temporary: bool,
}

impl<'a> Settings<'a> {
    fn context(
        self,
        database: &'a DatabaseId,
        vocabulary: &'a Vocabulary,
        registry: &'a Registry,
        scheduler: Option<Scheduler>,
    ) -> Context<'a> {
        let Self { scope, session, limits, .. } = self;
        Context { database, vocabulary, registry, scope, limits, session, scheduler }
    }
}

/// The parts of all kinds, in the order of [`KindId::ALL`]; each is planned against what those before it in the order of
/// dependence will leave.
pub(crate) fn plan(context: Context<'_>, sides: Sides<'_>) -> Vec<Part<Object>> {
    let mut ahead = Projection::default();
    let mut views = Matviews::plan(context, sides.views(), &ahead).map(|view| Object::Matview(Box::new(view)));
    ahead.extend(std::mem::take(&mut views.projects));
    let indexes = Indexes::plan(context, sides.indexes(), &ahead).map(|index| Object::Index(Box::new(index)));
    let rules = Rules::plan(context, sides.rules(), &ahead).map(|rule| Object::Retention(Box::new(rule)));
    let jobs = Schedules::plan(context, sides.jobs(), &ahead).map(|job| Object::Schedule(Box::new(job)));
    vec![indexes, views, rules, jobs]
}

/// What has to be declared to bring back what was before a run.
#[derive(Debug, Default)]
pub(crate) struct Formers {
    views: matview::Former,
    rules: Vec<Rule>,
}

impl Formers {
    /// What was before a change.
    pub(crate) fn restore(&mut self, change: &Change<Object>, before: &Object, undoing: &mut Undoing) {
        match (before, &change.after) {
            (Object::Index(before), Some(Object::Index(after))) => {
                Indexes::restore(change, before, Some(after), undoing, &mut self.views.indexes);
            }
            (Object::Index(before), _) => Indexes::restore(change, before, None, undoing, &mut self.views.indexes),
            (Object::Matview(before), _) => Matviews::restore(change, before, None, undoing, &mut self.views),
            (Object::Retention(before), _) => Rules::restore(change, before, None, undoing, &mut self.rules),
            (Object::Schedule(before), _) => Schedules::restore(change, before, None, undoing, &mut ()),
        }
    }

    /// An object takes part in the way back.
    pub(crate) fn touch(&mut self, address: &Address) {
        if *address.kind() == Indexes::NAME {
            Indexes::touch(address, &mut self.views.indexes);
        }
    }

    /// The declarations.
    pub(crate) fn desired(self, scheduler: Option<Scheduler>) -> Desired {
        let views = self.views.views.into_iter().map(Declared::nowhere).collect();
        let rules = self.rules.into_iter().map(Declared::nowhere).collect();
        Desired::new(self.views.indexes.desired(), views, rules, scheduler)
    }
}

/// What stays of an object that a run made, once it is gone again.
pub(crate) fn lasting(change: &Change<Object>) -> Option<&'static str> {
    let kind = KindId::ALL.into_iter().find(|kind| kind.name() == *change.address.kind())?;
    of_kind!(kind, K => K::lasting(change))
}

/// The object that a step makes by itself, and what carries it.
pub(crate) fn made_by(step: &Step) -> Option<(&QualifiedName, Address)> {
    let (table, index) = step.makes()?;
    Some((table, index::address(table, &index.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_printing_and_reading() {
        for (table, name) in [
            ("inventory.stock", "idx"),
            (r#""a.b"."c/d""#, "x/y"),
            ("A.b", "with \"quotes\" and.dots"),
            ("t", "new\nline"),
        ] {
            let address = index::address(&QualifiedName::parse(table).unwrap(), &Ident::new(name).unwrap());
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
        let table = QualifiedName::parse(r#""a.b"."c/d""#).unwrap();
        let job = Address::of_task(Schedules::NAME, "vacuum", &table);
        assert_eq!(job.to_string().parse::<Address>().unwrap(), job);
        assert!(matches!("schedule/sweep:a.b".parse::<Address>(), Err(AddressError::Shape { .. })));
        assert!(matches!("indx/a.b/c".parse::<Address>(), Err(AddressError::Kind(_))));
        assert!(matches!("index/a.b".parse::<Address>(), Err(AddressError::Shape { .. })));
    }

    #[test]
    fn what_another_version_manages_is_printed_as_it_was() {
        for text in ["extract/sales.order/platform", "partitioning/\"a.b\".c", "odd", "odd/task:\"a.b\".c"] {
            assert!(Address::unknown(text).to_string().starts_with(text.split('/').next().unwrap()), "{text}");
        }
        assert_eq!(Address::unknown("partitioning/a.b").to_string(), "partitioning/a.b");
    }
}
