//! What a change of a materialized view executes. A view that readers have comes and goes in one short transaction;
//! everything that takes long happens beside it, where nobody looks.

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

/// A materialized view that takes the place of one that stands.
#[derive(Clone, Debug)]
pub struct Anew<'a> {
    /// As it is to be; its query reads what is built with it by the names that this has meanwhile.
    pub view: Matview,
    /// The query is in the server's words, not in those of the declaration.
    pub printed: bool,
    /// What stands.
    pub old: &'a Found,
    /// The columns that it will have.
    pub columns: Vec<Ident>,
    /// With the indexes that stand.
    pub relation: Option<&'a Carrier>,
    /// What it is for others, beside what any replacement is.
    pub hazards: HazardSet,
}

/// A plain view that is to read what is built.
#[derive(Clone, Debug)]
pub struct Repointed<'a> {
    /// The view.
    pub view: &'a Reader,
    /// Its query, with the names that what it reads has while it is built.
    pub query: Query,
    /// What this is for others.
    pub hazards: HazardSet,
}

/// All waiting with a lock in hand together. Who reads several of these in one statement may hold what we want and want
/// what we hold: we give way before the server, after its `deadlock_timeout` of a second, ends one of both.
const HELD_MS: u64 = 800;

/// Milliseconds that each of so many further locks may be waited for; of many, all are hardly ever in somebody's hand.
fn held_for(further: usize) -> u64 {
    const LEAST: u64 = 20;
    (HELD_MS / u64::try_from(further).unwrap_or(HELD_MS).max(1)).max(LEAST)
}

/// Collects the steps of one change.
#[derive(Debug)]
pub struct Steps {
    limits: TimeLimits,
    /// Of the session, for names without a schema in what was declared.
    search_path: Vec<Ident>,
    collected: Vec<Step>,
    /// Steps that are added now commit together.
    transaction: Option<u32>,
}

impl Steps {
    /// Starts with nothing.
    #[must_use]
    pub fn new(limits: TimeLimits, search_path: &[Ident]) -> Self {
        Self { limits, search_path: search_path.to_vec(), collected: Vec::new(), transaction: None }
    }

    /// What was collected. The numbers of transactions count from 0 within the change.
    #[must_use]
    pub fn finish(self) -> Vec<Step> {
        self.collected
    }

    /// Makes it, with its indexes: all of it or nothing. Nobody can know it before.
    /// By default, some roles may have rights on it.
    pub fn create(&mut self, view: &Matview, by_default: &[Option<Ident>]) {
        self.transaction = Some(0);
        let undo = Sql::new("DROP MATERIALIZED VIEW ").name(&view.name);
        let step = self.long(view.create_as(&view.name, view.with_data));
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

    /// Builds the new ones beside the old ones, with everything that hangs on them; then, in a transaction of a moment,
    /// the old ones go and the new ones have their names (docs/pitfalls.md, "Old snapshots see only frozen rows of a
    /// new view"). Their rows are frozen by REFRESH, so that snapshots that are older than them see them as well.
    pub fn replace(&mut self, anew: &[Anew<'_>], repointed: &[Repointed<'_>]) {
        self.transaction = Some(0);
        for one in anew {
            self.build(one);
        }
        self.transaction = Some(1);
        // Readers of a plain view lock it first, and then what it reads: so do we, or each would wait for the other.
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

    /// Everything that takes long.
    fn build(&mut self, one: &Anew<'_>) {
        let Anew { view, old, columns, relation, .. } = one;
        let built = building_name(&view.name);
        if one.printed {
            self.look_up_in(&[]);
        }
        let step = self.long(view.create_as(&built, false));
        let undo = Sql::new("DROP MATERIALIZED VIEW ").name(&built);
        self.add(Step { hazards: one.hazards.clone(), undo: Some(undo), ..step });
        if one.printed {
            self.look_up_in(&self.search_path.clone());
        }
        let sql = Sql::new("ALTER MATERIALIZED VIEW ").name(&built).raw(" OWNER TO ").ident(&old.owner);
        self.unseen(sql);
        // Before there are rows, which are stored as it says.
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

    /// What the server printed means the same only where it was printed: with nothing on the path that could be found
    /// before what it leaves without a schema.
    fn look_up_in(&mut self, search_path: &[Ident]) {
        self.unseen(Sql::new("SET LOCAL search_path = ").search_path(search_path));
    }

    /// What an interrupted replacement left: nobody reads it.
    pub fn clean_up(&mut self, leftover: &QualifiedName) {
        let step = self.brief(Sql::new("DROP MATERIALIZED VIEW ").name(leftover), None);
        self.transaction = None;
        self.add(step);
    }

    /// Drops it, where nothing depends on it.
    pub fn drop(&mut self, view: &Matview) {
        let step = self.brief(Sql::new("DROP MATERIALIZED VIEW ").name(&view.name), Some(Lock::AccessExclusiveLock));
        let hazards = HazardSet::from([Hazard::DropTableData, Hazard::AccessExclusiveLock]);
        self.transaction = None;
        self.add(Step { hazards, undo: Some(view.create_as(&view.name, view.with_data)), ..step });
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

    /// Together, so that nobody is without a right in between.
    fn grant_change(&mut self, view: &QualifiedName, grant_changes: &[GrantChange]) {
        self.transaction = (grant_changes.len() > 1).then_some(0);
        for grant_change in grant_changes {
            let step = self.brief(grant_change.sql(view), None);
            self.add(Step { undo: grant_change.undo(view), ..step });
        }
        self.transaction = None;
    }

    /// Gives what is built the names of what is gone.
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

    /// What is said of its columns. One that the new view has not is not spoken of.
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

    /// Statistics objects like those of the old one, as far as the new one has their columns.
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

    /// On what nobody else can see yet.
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

    /// As long as a build may take; nobody waits for it.
    fn long(&self, sql: Sql) -> Step {
        Step { lock: None, ..Step::online(sql, self.limits) }
    }
}

/// Those that stand, in an order in which they can go: what reads before what is read, whoever reads whom afterwards.
fn readers_first<'a, 'b>(anew: &'b [Anew<'a>]) -> Vec<&'b Anew<'a>> {
    let reads: Vec<_> = anew.iter().map(|one| (one.old.name.clone(), one.old.reads.clone())).collect();
    // Only plain views can lead round in a circle; then the server says what holds whom.
    let order = order::sorted(&reads).unwrap_or_default();
    let mut sorted: Vec<_> = anew.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse(order.iter().position(|name| *name == one.old.name)));
    sorted
}

/// Has a plain view read what is built. It stays the object that it was, with all that hangs on it.
fn repoint(repointed: &Repointed<'_>) -> (Sql, HazardSet) {
    let view = repointed.view;
    let sql = Sql::new("CREATE OR REPLACE VIEW ").name(&view.name);
    // What is not said here would be reset.
    let options = view.options();
    let sql = if options.is_empty() { sql } else { sql.raw(" WITH ").parameters(&options) };
    (sql.raw(" AS ").parenthesised(repointed.query.fragment()), repointed.hazards.clone())
}
