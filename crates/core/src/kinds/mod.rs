//! The kinds of objects, each in its folder, and the one list of them: code that runs for every kind is here. What only
//! one kind needs is in its folder.

pub mod index;
pub mod matview;
pub mod retention;
pub mod schedule;

mod desired;
mod live;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::{
    desired::{Declarations, Desired},
    live::Live,
    matview::waiting::Waiting,
};
use self::{
    index::{Index, Indexes},
    matview::{Matview, Matviews},
    retention::{Rule, Rules},
    schedule::{Schedule, Schedules},
};
pub(crate) use self::{live::ask, matview::waiting::notes as left_out};
use crate::{
    address::{Address, AddressError, KindName, Shape},
    change::{Action, Change, SessionSettings, Step, TimeLimits},
    declared::Declared,
    kind::{Context, Describe, Kind, Part, Projection, Undoing},
    postgres::{
        cron::Runner,
        name::{Ident, QualifiedName},
        routine::SharedRoutine,
        sql::Sql,
    },
    registry::Registry,
    scope::Scope,
    server::{DatabaseId, Vocabulary},
};

/// All kinds that this version knows, in the order in which plans list them.
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

/// Calls a function of the kind.
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

    /// The kind of an address; `None`: this version does not know it.
    fn of(address: &Address) -> Option<Self> {
        Self::named(address.kind().as_str())
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_str() == name)
    }

    /// The first part of its addresses.
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

    /// Whether a plan reads its declarations from the registry.
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

/// The statements that create them.
#[must_use]
pub fn make_shared_routines(registry: &Ident) -> Vec<Sql> {
    KindId::ALL.into_iter().flat_map(|kind| kind.make_routines(registry)).collect()
}

/// The relation that an object is, which PostgreSQL numbers; `None` for kinds whose objects are not relations.
#[must_use]
pub fn relation_made(address: &Address) -> Option<QualifiedName> {
    match KindId::of(address)? {
        KindId::Index => address.part().map(|name| address.relation().sibling(name.clone())),
        KindId::Matview => Some(address.relation().clone()),
        KindId::Retention | KindId::Schedule => None,
    }
}

/// What the server tells of an object that it has just made, as expressions for a session with an empty search path.
#[derive(Debug)]
pub struct Made {
    /// The digest of its definition.
    pub definition: Sql,
    /// What its declaration relies on.
    pub basis: Sql,
}

/// How to ask about an object that was made of a declaration; `None` for kinds of which the plan knows all.
#[must_use]
pub fn made(address: &Address, declaration: &serde_json::Value, search_path: &[Ident]) -> Option<Made> {
    match KindId::of(address)? {
        KindId::Matview => {
            let view = Matview::deserialize(declaration).ok()?;
            let definition = matview::canonical::definition_made(&view.name);
            Some(Made { definition, basis: matview::basis::made(&view.name, &view.query, search_path) })
        }
        KindId::Index | KindId::Retention | KindId::Schedule => None,
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let kind = text.split('/').next().unwrap_or_default();
        let Some(kind) = KindId::named(kind) else {
            return Err(AddressError::Kind(text.to_owned()));
        };
        Self::read(kind.name(), kind.shape(), text, || {
            let [first @ .., last] = KindId::ALL.map(|kind| format!("`{}`", kind.example()));
            format!("{} or {last}", first.join(", "))
        })
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

/// Calls a function of the object, whatever its kind is.
macro_rules! of_object {
    ($object:expr, $each:ident => $said:expr) => {
        match $object {
            Object::Index($each) => $said,
            Object::Matview($each) => $said,
            Object::Retention($each) => $said,
            Object::Schedule($each) => $said,
        }
    };
}

impl Object {
    /// Its address in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        of_object!(self, object => object.address())
    }
}

impl Describe for Object {
    fn lines(&self) -> String {
        of_object!(self, object => object.lines())
    }

    fn over(self, before: &Self) -> Self {
        match (self, before) {
            (Self::Index(after), Self::Index(before)) => Self::Index(Box::new(after.over(before))),
            (Self::Matview(after), Self::Matview(before)) => Self::Matview(Box::new(after.over(before))),
            (Self::Retention(after), Self::Retention(before)) => Self::Retention(Box::new(after.over(before))),
            (Self::Schedule(after), Self::Schedule(before)) => Self::Schedule(Box::new(after.over(before))),
            (after, _) => after,
        }
    }

    fn is_shown_when_new(&self) -> bool {
        of_object!(self, object => object.is_shown_when_new())
    }

    fn depends_on_size(&self, action: Action) -> bool {
        of_object!(self, object => object.depends_on_size(action))
    }

    fn beyond_statements(&self) -> Option<String> {
        of_object!(self, object => object.beyond_statements())
    }
}

/// The declared and the live side of all kinds.
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

/// The settings for asking and planning.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) session: &'a SessionSettings,
    pub(crate) limits: TimeLimits,
}

impl<'a> Settings<'a> {
    /// The context of the kinds, besides their declared and live side.
    pub(crate) fn context(
        self,
        database: &'a DatabaseId,
        vocabulary: &'a Vocabulary,
        registry: &'a Registry,
        scheduler: Option<Runner>,
    ) -> Context<'a> {
        let Self { scope, session, limits } = self;
        Context { database, vocabulary, registry, scope, limits, session, scheduler }
    }
}

/// The parts of all kinds, in the order of [`KindId::ALL`]. They are planned in the order of dependencies, each with
/// the projection of those before it.
pub(crate) fn plan(context: Context<'_>, sides: Sides<'_>) -> Vec<Part<Object>> {
    let mut ahead = Projection::default();
    let mut views = Matviews::plan(context, sides.views(), &ahead).map(|view| Object::Matview(Box::new(view)));
    ahead.extend(std::mem::take(&mut views.projects));
    let indexes = Indexes::plan(context, sides.indexes(), &ahead).map(|index| Object::Index(Box::new(index)));
    let rules = Rules::plan(context, sides.rules(), &ahead).map(|rule| Object::Retention(Box::new(rule)));
    let jobs = Schedules::plan(context, sides.jobs(), &ahead).map(|job| Object::Schedule(Box::new(job)));
    vec![indexes, views, rules, jobs]
}

/// The declarations that restore the state before a run.
#[derive(Debug, Default)]
pub(crate) struct Formers {
    views: matview::Former,
    rules: Vec<Rule>,
}

impl Formers {
    /// Declares the state before a change.
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

    /// Declares an object that has become a part of another one, and goes with it.
    pub(crate) fn bring_back(&mut self, part: &Object, undoing: &mut Undoing) {
        match part {
            Object::Index(part) => {
                undoing.release(part.address());
                undoing.touched.insert(part.address());
                self.views.indexes.add(part);
            }
            // Only indexes have parts.
            Object::Matview(_) | Object::Retention(_) | Object::Schedule(_) => {}
        }
    }

    /// Notes that a rollback involves an object.
    pub(crate) fn touch(&mut self, address: &Address) {
        if *address.kind() == Indexes::NAME {
            Indexes::touch(address, &mut self.views.indexes);
        }
    }

    /// The declarations.
    pub(crate) fn desired(self, scheduler: Option<Runner>) -> Desired {
        Desired::new(Declarations {
            relations: self.views.indexes.desired(),
            matviews: self.views.views.into_iter().map(Declared::nowhere).collect(),
            rules: self.rules.into_iter().map(Declared::nowhere).collect(),
            scheduler,
        })
    }
}

/// What remains of an object that a run created, after it is dropped again.
pub(crate) fn lasting(change: &Change<Object>) -> Option<&'static str> {
    let kind = KindId::of(&change.address)?;
    of_kind!(kind, K => K::lasting(change))
}

/// The object that a step creates on its own, and its relation.
pub(crate) fn made_by(step: &Step) -> Option<(&QualifiedName, Address)> {
    let (table, index) = step.makes()?;
    Some((table, index::address(table, &index.name)))
}

#[cfg(test)]
mod tests;
