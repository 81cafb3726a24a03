//! The live side of all kinds, and how it is read.

use serde::{Deserialize, Serialize};

use super::{
    Desired, Settings, Sides, index,
    matview::{self, Matview, Matviews, waiting::Rejected},
    retention::{self, Rule, Rules},
    schedule::{self, Schedules},
};
use crate::{
    kind::{Asking, Kind},
    postgres::{
        batch::{self, Answers, Ask, Batch},
        lookup,
        name::{Ident, QualifiedName},
        rows::DecodeError,
    },
    registry::{self, EntryError, Registry},
    scope::Scope,
    server::{DatabaseId, Vocabulary},
};

/// The live side: the catalogs and the registry in one snapshot, and the server's interpretation of declared SQL.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The database that it was read from.
    pub database: DatabaseId,
    /// The names that exist in it.
    pub vocabulary: Vocabulary,
    /// What reconcile manages.
    pub registry: Registry,
    /// Indexes and their relations.
    pub index: index::Live,
    /// Materialized views.
    pub matview: matview::Live,
    /// Retention rules.
    pub retention: retention::Live,
    /// Jobs.
    pub schedule: schedule::Live,
}

/// The queries for all kinds in the first batch of a snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    index: index::read::Relations,
    names: index::read::NamesAsked,
    views: matview::read::Views,
    cron: batch::Asked,
}

/// The queries for details, if they are needed.
#[derive(Clone, Copy)]
pub(crate) struct Details {
    index: index::details::Details,
    tables: Option<batch::Asked>,
    routines: Option<batch::Asked>,
    jobs: Option<batch::Asked>,
}

/// Asks for the live side of all kinds. `entries` is the registry's table, if it can be read.
pub(crate) fn ask(
    desired: &Desired,
    entries: Option<&QualifiedName>,
    search_path: &[Ident],
    version: u32,
    batch: &mut Batch,
) -> Asked {
    let relations = desired.relations.iter().map(|relation| &relation.name);
    let views = matview::read::ask(&desired.matviews, entries, search_path, batch);
    Asked {
        index: index::read::ask(batch, &registry::relations(relations, entries, None), version),
        names: index::read::ask_names(batch),
        views,
        cron: schedule::catalog::ask(batch),
    }
}

impl Live {
    /// Reads the answers. The registry must have been read before.
    pub(crate) fn read(&mut self, asked: Asked, answers: &mut Answers) -> Result<index::catalog::Names, DecodeError> {
        let names = index::read::decode_names(asked.names, answers)?;
        self.index = index::Live::read(asked.index, answers, &names)?;
        self.matview = matview::Live::read(asked.views, answers)?;
        self.schedule.cron = schedule::catalog::Cron::read(asked.cron, answers)?;
        Ok(names)
    }

    /// Reads the declarations of the registry's entries, for the kinds that need them.
    pub(crate) fn read_declarations(&mut self) -> Result<(), EntryError> {
        let Self { registry, matview, retention, schedule, .. } = self;
        let views = registry.declarations(Matviews::NAME)?.into_iter();
        matview.applied = views.map(|(_, view): (_, Matview)| (view.name.clone(), view)).collect();
        let rules = registry.declarations(Rules::NAME)?.into_iter();
        retention.in_force = rules.map(|(_, rule): (_, Rule)| (rule.table.clone(), rule)).collect();
        schedule.made = registry.declarations(Schedules::NAME)?.into_iter().collect();
        Ok(())
    }

    /// Asks for what tells whether declared SQL that equals the server's print means the same; asks nothing if the
    /// registry already tells.
    pub(crate) fn ask_names(&mut self, desired: &Desired, path: &[Ident], batch: &mut Batch) -> Option<batch::Asked> {
        self.index.recorded = index::canonical::recorded(Sides { desired, live: self }.indexes(), &self.registry);
        self.index.unsettled = index::canonical::find_unsettled(Sides { desired, live: self }.indexes());
        let sides = Sides { desired, live: self };
        let mut names = index::canonical::looked_up(sides.indexes());
        names.extend(matview::canonical::names_to_look_up(sides.views(), &self.registry));
        (!names.is_empty()).then(|| batch.ask(lookup::taken(&names, path)))
    }

    /// Reads the answer, which settles some of what is declared.
    pub(crate) fn read_names(
        &mut self,
        asked: batch::Asked,
        answers: &mut Answers,
        desired: &Desired,
    ) -> Result<(), DecodeError> {
        self.index.shadowed = Some(answers.take(asked)?.column(0)?.into_iter().collect());
        self.index.unsettled = index::canonical::find_unsettled(Sides { desired, live: self }.indexes());
        Ok(())
    }

    /// Asks for details of objects that are not as declared; asks nothing if all are. `schema` is reconcile's own
    /// schema.
    pub(crate) fn ask_details(&self, desired: &Desired, schema: &Ident, batch: &mut Batch) -> Details {
        let sides = Sides { desired, live: self };
        let views = sides.views();
        let tables = retention::read::ask(sides.rules(), batch);
        let scheduled = schedule::concerns(sides.jobs(), desired.scheduler);
        let involved = tables.is_some() || scheduled;
        Details {
            index: index::details::ask(sides.indexes(), |name| views.declared(name).is_some(), batch),
            tables,
            routines: involved.then(|| registry::ask_routines(schema, batch)),
            jobs: if involved { self.schedule.cron.ask_jobs(batch) } else { None },
        }
    }

    /// Reads the answers to [`Live::ask_details`].
    pub(crate) fn complete(&mut self, details: Details, answers: &mut Answers) -> Result<(), DecodeError> {
        index::details::complete(details.index, answers, &mut self.index)?;
        retention::read::complete(details.tables, answers, &mut self.retention)?;
        if let Some(routines) = details.routines {
            self.registry.read_routines(routines, answers)?;
        }
        self.schedule.cron.complete(details.jobs, answers)
    }

    /// The declared relations that do not exist, for which names to suggest are needed.
    pub(crate) fn missing_relations<'a>(&'a self, desired: &'a Desired) -> Vec<&'a QualifiedName> {
        let sides = Sides { desired, live: self };
        let views = sides.views();
        let carriers = index::details::missing(sides.indexes(), |name| views.declared(name).is_some());
        carriers.chain(retention::read::missing(sides.rules())).collect()
    }

    /// Asks the server what declared SQL means, in the order of dependencies. Returns what the server rejects.
    pub(crate) async fn resolve<S: Ask>(
        &mut self,
        server: &mut S,
        desired: &Desired,
        names: &index::catalog::Names,
        settings: Settings<'_>,
        may_make_temporary: bool,
    ) -> Result<Rejected, S::Error> {
        let Self { database, vocabulary, registry, index, matview, retention, .. } = self;
        let context = settings.context(database, vocabulary, registry, desired.scheduler);
        let asking = Asking { context, may_make_temporary };
        let declared = (desired.matviews.as_slice(), desired.relations.as_slice());
        let mut rejected = matview::resolve(server, declared, matview, index, names, asking).await?;
        let indexes = index::View { desired: &desired.relations, live: index };
        let views = matview::View { desired: &desired.matviews, live: matview, indexes };
        let ahead = matview::ahead(views);
        let resolved = index::resolve(server, indexes, &ahead, names, asking).await?;
        let rules = retention::View { desired: &desired.rules, live: retention, views };
        let (estimates, of_rules) = retention::read::estimates(server, rules, context).await?;
        index.canonical = resolved.canonical.into_iter().collect();
        index.misnamed = resolved.misnamed.into_iter().collect();
        retention.estimates = estimates;
        rejected.problems.extend(resolved.problems.into_iter().chain(of_rules));
        Ok(rejected)
    }

    /// Whether the plan creates a materialized view, over which a migration may make others.
    pub(crate) fn creates_a_view(&self, desired: &Desired, scope: &Scope) -> bool {
        let missing = desired.matviews.iter().filter(|view| !self.matview.found.contains_key(&view.object.name));
        missing.into_iter().any(|view| scope.admits(&view.object.address()))
    }
}
