//! Reads everything that a plan relies on: the catalogs in one snapshot, then the server's interpretation of declared
//! SQL. If nothing has changed since the last apply, this takes three round trips: settings and snapshot, catalogs and
//! registry, end. `live` sends the statements.

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    change::{SessionSettings, TimeLimits},
    kinds::{self, Desired, KindId, Live, Settings, Waiting},
    postgres::{
        batch::{Ask, Batch},
        name::QualifiedName,
        sql::Sql,
    },
    problem::Problem,
    registry::{self, EntryError},
    scope::Scope,
    server,
};

/// The relations to suggest for missing ones, those of the same names first.
fn suggestions(missing: &[&QualifiedName]) -> Sql {
    let sql = Sql::new(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^(pg_catalog|information_schema|pg_toast.*|pg_temp.*)$' \
         ORDER BY c.relname IN (",
    );
    let sql = sql.list(missing, ", ", |sql, name| sql.literal(name.name.as_str()));
    sql.raw(") DESC, n.nspname, c.relname LIMIT 10000")
}

/// What to read, for which plan.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The declared side.
    pub desired: &'a Desired,
    /// The limits of the plan.
    pub scope: &'a Scope,
    /// The search path, and the schema of the registry.
    pub session: &'a SessionSettings,
    /// How long the steps of the plan may wait.
    pub limits: TimeLimits,
}

/// Everything that a plan needs from a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The live side.
    pub live: Live,
    /// The mistakes that the server found in declared SQL.
    pub problems: Vec<Problem>,
    /// The views that the plan leaves out, because their queries read what does not exist yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

impl Read {
    /// The limits of a plan, without what it leaves out.
    #[must_use]
    pub fn narrowed(&self, desired: &Desired, scope: &Scope) -> Scope {
        narrowed(&self.waiting, desired, scope)
    }
}

fn narrowed(waiting: &[Waiting], desired: &Desired, scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    // A view is left out with its indexes.
    let is_one = |address: &Address| waiting.iter().any(|one| one.view == *address.relation());
    if !waiting.is_empty() {
        scope.filter.exclude.extend(desired.addresses().filter(is_one));
    }
    scope
}

impl Reading<'_> {
    /// Reads both.
    ///
    /// # Errors
    /// The connection fails, the server refuses a catalog query, or a registry entry cannot be read.
    pub async fn read<S: Ask>(self, server: &mut S) -> Result<Read, S::Error>
    where
        S::Error: From<EntryError>,
    {
        let facts = server::begin(server, self.session, self.desired.relations.len()).await?;
        let readable = facts.registry_exists && facts.registry_readable;
        let mut live = Live { database: facts.database, vocabulary: facts.vocabulary, ..Live::default() };
        live.registry.exists = facts.registry_exists;
        live.registry.unreadable = facts.registry_exists && !readable;
        let names = self.read_catalogs(server, &mut live, readable).await?;
        self.read_names(server, &mut live).await?;
        self.read_details(server, &mut live).await?;
        let may_make_temporary = facts.temporary && !facts.read_only;
        let (problems, waiting) = self.resolve(server, &mut live, &names, may_make_temporary).await?;
        Ok(Read { live, problems, waiting })
    }

    /// Has the server interpret declared SQL. As long as only views are rejected that wait for a relation, they are left
    /// out, and with them those that read them; but only if other views are created, or else it is the mistake that it
    /// looks like.
    async fn resolve<S: Ask>(
        self,
        server: &mut S,
        live: &mut Live,
        names: &kinds::index::catalog::Names,
        may_make_temporary: bool,
    ) -> Result<(Vec<Problem>, Vec<Waiting>), S::Error> {
        let mut waiting: Vec<Waiting> = Vec::new();
        loop {
            let scope = narrowed(&waiting, self.desired, self.scope);
            let settings = Settings { scope: &scope, session: self.session, limits: self.limits };
            let rejected = live.resolve(server, self.desired, names, settings, may_make_temporary).await?;
            if rejected.problems.is_empty() && rejected.waiting.is_empty() {
                return Ok((Vec::new(), waiting));
            }
            for one in rejected.waiting {
                // A rehearsal rejects a query once more.
                if !waiting.iter().any(|other| other.view == one.view) {
                    waiting.push(one);
                }
            }
            let left = narrowed(&waiting, self.desired, self.scope);
            if !rejected.problems.is_empty() || !live.creates_a_view(self.desired, &left) {
                let waiting = waiting.into_iter().map(|one| one.problem);
                return Ok((waiting.chain(rejected.problems).collect(), Vec::new()));
            }
        }
    }

    /// Reads the registry and the live side of all kinds, in one round trip.
    async fn read_catalogs<S: Ask>(
        self,
        server: &mut S,
        live: &mut Live,
        readable: bool,
    ) -> Result<kinds::index::catalog::Names, S::Error>
    where
        S::Error: From<EntryError>,
    {
        let table = readable.then(|| server::registry_table(self.session));
        let mut batch = Batch::default();
        let with_declaration: Vec<_> =
            KindId::ALL.into_iter().filter(|kind| kind.reads_declarations()).map(KindId::name).collect();
        let entries = table.as_ref().map(|table| registry::ask(table, &with_declaration, &mut batch));
        let path = &self.session.search_path;
        let asked = kinds::ask(self.desired, table.as_ref(), path, server.server_version(), &mut batch);
        let mut answers = server.send(&batch).await?;
        if let Some(entries) = entries {
            live.registry.read(entries, &mut answers)?;
        }
        let names = live.read(asked, &mut answers)?;
        live.read_declarations()?;
        Ok(names)
    }

    /// Reads, in one round trip, what tells whether declared SQL that equals the server's print means the same.
    async fn read_names<S: Ask>(self, server: &mut S, live: &mut Live) -> Result<(), S::Error> {
        let mut batch = Batch::default();
        if let Some(asked) = live.ask_names(self.desired, &self.session.search_path, &mut batch) {
            live.read_names(asked, &mut server.send(&batch).await?, self.desired)?;
        }
        Ok(())
    }

    /// Reads, in one round trip, the details of objects that are not as declared; then ends the snapshot.
    async fn read_details<S: Ask>(self, server: &mut S, live: &mut Live) -> Result<(), S::Error> {
        let mut batch = Batch::default();
        let details = live.ask_details(self.desired, &self.session.registry_schema, &mut batch);
        if !batch.is_empty() {
            live.complete(details, &mut server.send(&batch).await?)?;
        }
        let mut batch = Batch::default();
        let missing = live.missing_relations(self.desired);
        let relations = (!missing.is_empty()).then(|| batch.ask(suggestions(&missing)));
        batch.run("COMMIT");
        let mut answers = server.send(&batch).await?;
        if let Some(relations) = relations {
            let known = answers.take(relations)?;
            let names = known.iter().map(|row| row.name(0).map(|name| name.to_string()));
            live.vocabulary.relations = names.collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}
