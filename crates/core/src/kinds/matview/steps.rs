//! The statements of a materialized view's changes. A view that has readers is replaced in one short transaction;
//! everything that takes long happens on the new view, which nobody reads yet.

use super::{
    Matview, Query,
    catalog::{Found, parameters},
    compare::Alteration,
    dependents::Reader,
    grant_diff::{self, GrantChange},
    names::{building_indexes, building_name, building_statistics},
    order,
};
use crate::{
    change::{Execution, Step, TimeLimits, Timeouts},
    hazard::{Hazard, HazardSet},
    kinds::index::{BuildMode, Carrier, Index},
    postgres::{
        lock::Lock,
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};

/// A materialized view that replaces an existing one.
#[derive(Clone, Debug)]
pub struct Anew<'a> {
    /// The new view. Its query reads the other new views by the names that they have while they are built.
    pub view: Matview,
    /// Whether the query is as the server printed it, not as declared.
    pub printed: bool,
    /// The existing view.
    pub old: &'a Found,
    /// The columns that it will have.
    pub columns: Vec<Ident>,
    /// The existing view with its indexes.
    pub relation: Option<&'a Carrier>,
    /// The hazards that it has besides those of every replacement.
    pub hazards: HazardSet,
}

/// A plain view that will read the new views.
#[derive(Clone, Debug)]
pub struct Repointed<'a> {
    /// The view.
    pub view: &'a Reader,
    /// Its query, with the names that the new views have while they are built.
    pub query: Query,
    /// Its hazards.
    pub hazards: HazardSet,
}

/// The limit for all waiting while locks are held, in milliseconds. A statement of others that reads several of these
/// views may hold a lock that we want, and want one that we hold. We give up before the server ends one of the two
/// after its `deadlock_timeout` of a second.
const HELD_MS: u64 = 800;

/// The lock timeout for each further lock, in milliseconds. If there are many, it is unlikely that others hold all of
/// them.
fn held_for(further: usize) -> u64 {
    const LEAST: u64 = 20;
    (HELD_MS / u64::try_from(further).unwrap_or(HELD_MS).max(1)).max(LEAST)
}

/// Collects the steps of one change.
#[derive(Debug)]
pub struct Steps {
    limits: TimeLimits,
    /// The search path of the session, for names without a schema in declared SQL.
    search_path: Vec<Ident>,
    collected: Vec<Step>,
    /// The transaction of the steps that are added now.
    transaction: Option<u32>,
}

impl Steps {
    /// Starts without steps.
    #[must_use]
    pub fn new(limits: TimeLimits, search_path: &[Ident]) -> Self {
        Self { limits, search_path: search_path.to_vec(), collected: Vec::new(), transaction: None }
    }

    /// The steps. The numbers of transactions count from 0 within the change.
    #[must_use]
    pub fn finish(self) -> Vec<Step> {
        self.collected
    }

    /// Creates a view with its indexes in one transaction. Nobody can use it before that commits. Default privileges
    /// grant `by_default` rights on it.
    pub fn create(&mut self, view: &Matview, by_default: &[Option<Ident>]) {
        self.transaction = Some(0);
        let undo = Sql::new("DROP MATERIALIZED VIEW ").name(&view.name);
        let step = self.long(view.create_as(&view.name, None, view.with_data));
        self.add(Step { undo: Some(undo), ..step });
        for index in &view.indexes {
            self.index(index, &index.name, &view.name);
        }
        for sql in view.grants.iter().flat_map(|grants| grant_diff::of_new(&view.name, grants, by_default)) {
            self.unseen(sql);
        }
        if let Some(comment) = view.comment.as_ref().filter(|comment| !comment.is_empty()) {
            self.unseen(Matview::comment_on(&view.name, comment));
        }
        if view.with_data {
            self.analyze(&view.name);
        }
    }

    /// Builds the new views beside the old ones, with their indexes, rights, statistics and comments. Then one short
    /// transaction drops the old views and renames the new ones (docs/pitfalls.md, "Old snapshots see only frozen rows
    /// of a new view"). REFRESH freezes their rows, so that older snapshots see them as well.
    pub fn replace(&mut self, anew: &[Anew<'_>], repointed: &[Repointed<'_>]) {
        self.transaction = Some(0);
        for one in anew {
            self.build(one);
        }
        self.transaction = Some(1);
        // Readers of a plain view lock it first, then what it reads. Another order here would lead to deadlocks.
        let drop = |one: &Anew<'_>| (Sql::new("DROP MATERIALIZED VIEW ").name(&one.view.name), one.hazards.clone());
        let exclusive = repointed.iter().map(repoint).chain(readers_first(anew).into_iter().map(drop));
        if !repointed.is_empty() {
            self.look_up_in(&[]);
        }
        let further = held_for(repointed.len() + anew.len() - 1);
        for (position, (sql, hazards)) in exclusive.enumerate() {
            let hazards = hazards.into_iter().chain([Hazard::AccessExclusiveLock]).collect();
            let mut step = self.brief(sql, Some(Lock::AccessExclusiveLock));
            if position > 0 {
                step.timeouts.lock_ms = step.timeouts.lock_ms.map(|ms| ms.min(further));
            }
            self.add(Step { hazards, ..step });
        }
        for one in anew {
            self.take_names(one);
        }
    }

    /// Adds the steps that take long.
    fn build(&mut self, one: &Anew<'_>) {
        let Anew { view, old, columns, relation, .. } = one;
        let built = building_name(&view.name);
        if one.printed {
            self.look_up_in(&[]);
        }
        let step = self.long(view.create_as(&built, old.access_method.as_ref(), false));
        let undo = Sql::new("DROP MATERIALIZED VIEW ").name(&built);
        self.add(Step { hazards: one.hazards.clone(), undo: Some(undo), ..step });
        if one.printed {
            self.look_up_in(&self.search_path.clone());
        }
        let sql = Sql::new("ALTER MATERIALIZED VIEW ").name(&built).raw(" OWNER TO ").ident(&old.owner);
        self.unseen(sql);
        for extension in &old.extensions {
            let alter = Sql::new("ALTER MATERIALIZED VIEW ").name(&built);
            self.unseen(alter.raw(" DEPENDS ON EXTENSION ").ident(extension));
        }
        // These settings decide how rows are stored, so they precede the rows.
        self.columns(&built, old, columns);
        let filled = view.with_data || old.populated;
        if filled {
            let step = self.long(Sql::new("REFRESH MATERIALIZED VIEW ").name(&built));
            self.add(step);
        }
        for (name, index) in building_indexes(view) {
            self.index(index, &name, &built);
            let standing = relation.and_then(|relation| relation.indexes.get(&index.name));
            for (column, target) in standing.map(|live| live.statistics.as_slice()).unwrap_or_default() {
                let sql = Sql::new("ALTER INDEX ").name(&built.sibling(name.clone())).raw(" ALTER COLUMN ");
                let sql = sql.number(i64::from(*column)).raw(" SET STATISTICS ").number(i64::from(*target));
                self.unseen(sql);
            }
            for extension in standing.map(|live| live.extensions.as_slice()).unwrap_or_default() {
                let alter = Sql::new("ALTER INDEX ").name(&built.sibling(name.clone()));
                self.unseen(alter.raw(" DEPENDS ON EXTENSION ").ident(extension));
            }
            if standing.is_some_and(|live| live.clustered) {
                let sql = Sql::new("ALTER MATERIALIZED VIEW ").name(&built).raw(" CLUSTER ON ").ident(&name);
                self.unseen(sql);
            }
        }
        self.statistics(&built, old, columns);
        for sql in grant_diff::carried(&built, old, columns, view.grants.as_ref()) {
            self.unseen(sql);
        }
        if let Some(comment) = view.comment.as_ref().filter(|comment| !comment.is_empty()) {
            self.unseen(Matview::comment_on(&built, comment));
        }
        if filled {
            self.analyze(&built);
        }
    }

    /// What the server printed means the same only with the path that it was printed with, on which nothing can hide
    /// what it leaves without a schema.
    fn look_up_in(&mut self, search_path: &[Ident]) {
        self.unseen(Sql::new("SET LOCAL search_path = ").search_path(search_path));
    }

    /// Drops what an interrupted replacement left: nobody reads it.
    pub fn clean_up(&mut self, leftover: &QualifiedName) {
        let step = self.brief(Sql::new("DROP MATERIALIZED VIEW ").name(leftover), None);
        self.transaction = None;
        self.add(step);
    }

    /// Drops a view, unless something depends on it.
    pub fn drop(&mut self, view: &Matview) {
        let step = self.brief(Sql::new("DROP MATERIALIZED VIEW ").name(&view.name), Some(Lock::AccessExclusiveLock));
        let hazards = HazardSet::from([Hazard::DropTableData, Hazard::AccessExclusiveLock]);
        self.transaction = None;
        self.add(Step { hazards, undo: Some(view.create_as(&view.name, None, view.with_data)), ..step });
    }

    /// Changes properties in place.
    pub fn alter(&mut self, live: &Matview, alterations: &[Alteration]) {
        self.transaction = None;
        let alter = || Sql::new("ALTER MATERIALIZED VIEW ").name(&live.name);
        for alteration in alterations {
            match alteration {
                Alteration::Parameters(change) => {
                    for step in change.steps(&alter(), live.with.as_ref(), self.limits) {
                        self.add(step);
                    }
                }
                Alteration::Tablespace(name) => {
                    let step = self.long(alter().raw(" SET TABLESPACE ").ident(name));
                    let hazards = HazardSet::from([Hazard::AccessExclusiveLock, Hazard::TableRewrite]);
                    let lock_ms = self.brief(Sql::default(), None).timeouts.lock_ms;
                    let timeouts = Timeouts { lock_ms, ..step.timeouts };
                    self.add(Step { hazards, timeouts, lock: Some(Lock::AccessExclusiveLock), ..step });
                }
                Alteration::Comment(comment) => {
                    let before = live.comment.clone().unwrap_or_default();
                    let sql = Matview::comment_on(&live.name, comment);
                    let step = self.brief(sql, Some(Lock::ShareUpdateExclusiveLock));
                    self.add(Step { undo: Some(Matview::comment_on(&live.name, &before)), ..step });
                }
                Alteration::Grants(grant_changes) => self.grant_change(&live.name, grant_changes),
            }
        }
    }

    /// All changes of rights commit together, so that nobody lacks a right in between.
    fn grant_change(&mut self, view: &QualifiedName, grant_changes: &[GrantChange]) {
        self.transaction = (grant_changes.len() > 1).then_some(0);
        for grant_change in grant_changes {
            let step = self.brief(grant_change.sql(view), None);
            self.add(Step { undo: grant_change.undo(view), ..step });
        }
        self.transaction = None;
    }

    /// Gives the new objects the names of the dropped ones.
    fn take_names(&mut self, one: &Anew<'_>) {
        let view = &one.view;
        let built = building_name(&view.name);
        let rename = Sql::new("ALTER MATERIALIZED VIEW ").name(&built).raw(" RENAME TO ").ident(&view.name.name);
        let step = self.brief(rename, Some(Lock::AccessExclusiveLock));
        self.add(step);
        for (name, index) in building_indexes(view) {
            let sql = Sql::new("ALTER INDEX ").name(&built.sibling(name)).raw(" RENAME TO ").ident(&index.name);
            let step = self.brief(sql, Some(Lock::ShareUpdateExclusiveLock));
            self.add(step);
        }
        for statistics in one.old.statistics.iter().filter(|statistics| statistics.fits(&one.columns)) {
            let sql = Sql::new("ALTER STATISTICS ").name(&building_statistics(&statistics.name));
            let step = self.brief(sql.raw(" RENAME TO ").ident(&statistics.name.name), None);
            self.add(step);
        }
    }

    fn index(&mut self, index: &Index, name: &Ident, table: &QualifiedName) {
        let step = self.long(index.create_on(name, table, BuildMode::Plain));
        self.add(Step { hazards: HazardSet::from([Hazard::IndexBuild]), ..step });
        if let Some(comment) = index.comment.as_ref().filter(|comment| !comment.is_empty()) {
            self.unseen(index.comment_on(name, comment));
        }
    }

    /// Sets the properties of columns. A column that the new view does not have is skipped.
    fn columns(&mut self, built: &QualifiedName, old: &Found, columns: &[Ident]) {
        for column in old.columns.iter().filter(|column| columns.contains(&column.name)) {
            let alter = || Sql::new("ALTER MATERIALIZED VIEW ").name(built).raw(" ALTER COLUMN ").ident(&column.name);
            let storage = column.storage.map(|storage| alter().raw(" SET STORAGE ").raw(storage.word()));
            let compression = column.compression.as_ref().map(|method| alter().raw(" SET COMPRESSION ").ident(method));
            let target = column.statistics.map(|target| alter().raw(" SET STATISTICS ").number(i64::from(target)));
            let options = parameters(&column.options);
            let options = (!options.is_empty()).then(|| alter().raw(" SET ").parameters(&options));
            let comment = column.comment.as_ref().map(|comment| {
                let sql = Sql::new("COMMENT ON COLUMN ").name(built).raw(".").ident(&column.name);
                sql.raw(" IS ").literal(comment)
            });
            for sql in [storage, compression, target, options, comment].into_iter().flatten() {
                self.unseen(sql);
            }
        }
    }

    /// Creates statistics objects like those of the old view, if the new view has their columns.
    fn statistics(&mut self, built: &QualifiedName, old: &Found, columns: &[Ident]) {
        for statistics in old.statistics.iter().filter(|statistics| statistics.fits(columns)) {
            let name = building_statistics(&statistics.name);
            let sql = Sql::new("CREATE STATISTICS ").name(&name);
            let sql = match statistics.kinds.as_slice() {
                [] => sql,
                kinds => sql.raw(" (").list(kinds, ", ", Sql::ident).raw(")"),
            };
            self.unseen(sql.raw(" ON ").server_text(&statistics.columns).raw(" FROM ").name(built));
            let alter = || Sql::new("ALTER STATISTICS ").name(&name);
            if let Some(target) = statistics.target {
                self.unseen(alter().raw(" SET STATISTICS ").number(i64::from(target)));
            }
            if let Some(comment) = &statistics.comment {
                self.unseen(Sql::new("COMMENT ON STATISTICS ").name(&name).raw(" IS ").literal(comment));
            }
            self.unseen(alter().raw(" OWNER TO ").ident(&statistics.owner));
        }
    }

    fn analyze(&mut self, name: &QualifiedName) {
        let step = self.long(Sql::new("ANALYZE ").name(name));
        self.add(step);
    }

    /// Adds a step for an object that nobody else can see yet.
    fn unseen(&mut self, sql: Sql) {
        let step = self.long(sql);
        self.add(step);
    }

    fn add(&mut self, step: Step) {
        self.collected.push(Step { execution: Execution::Together(self.transaction), ..step });
    }

    fn brief(&self, sql: Sql, lock: Option<Lock>) -> Step {
        Step::brief(sql, lock, self.limits)
    }

    /// A step that may run as long as a build; nobody waits for it.
    fn long(&self, sql: Sql) -> Step {
        Step { lock: None, ..Step::online(sql, self.limits) }
    }
}

/// The existing views in an order in which they can be dropped: a view before those that it reads, whatever the new
/// queries read.
fn readers_first<'a, 'b>(anew: &'b [Anew<'a>]) -> Vec<&'b Anew<'a>> {
    let reads: Vec<_> = anew.iter().map(|one| (one.old.name.clone(), one.old.reads.clone())).collect();
    // Only plain views can make a circle; in that case the server reports the dependency.
    let order = order::sorted(&reads).unwrap_or_default();
    let mut sorted: Vec<_> = anew.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse(order.iter().position(|name| *name == one.old.name)));
    sorted
}

/// Makes a plain view read the new views. It remains the same object, with everything that depends on it.
fn repoint(repointed: &Repointed<'_>) -> (Sql, HazardSet) {
    let view = repointed.view;
    let sql = Sql::new("CREATE OR REPLACE VIEW ").name(&view.name);
    // CREATE OR REPLACE resets options that the statement does not repeat.
    let options = view.options();
    let sql = if options.is_empty() { sql } else { sql.raw(" WITH ").parameters(&options) };
    (sql.raw(" AS ").parenthesised(repointed.query.fragment()), repointed.hazards.clone())
}
