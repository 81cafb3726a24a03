//! Collects the declarations of all files: each object once, with valid names and fragments. Whether the objects
//! can exist in a database is left to the planner, which knows the live side.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    path::Path,
    thread,
};

use reconcile_core::{
    declared::{Body, Declared},
    kinds::{
        self, Desired,
        index::{
            DesiredRelation, Index,
            spec::{IndexSpec, lower},
        },
        retention::{self, Rule, spec::RuleSpec},
    },
    postgres::cron::Runner,
    postgres::name::{Ident, QualifiedName},
    problem::Problem,
    source::{FileId, Source},
};

use crate::{
    matviews::{ReadQuery, Views},
    shape::{Entries, TableSpec, ViewSpec},
};

/// Below this many indexes, more threads cost more than they save.
const THREAD_INDEXES: usize = 1000;

/// The declarations collected so far.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    relations: BTreeMap<QualifiedName, Relation>,
    /// By schema and name of an index: its table, and the place of its declaration.
    indexes: HashMap<QualifiedName, (QualifiedName, Source)>,
    pending: Vec<Pending>,
    /// The rules by table, with their places.
    rules: BTreeMap<QualifiedName, (Source, Option<Declared<Rule>>)>,
    matviews: Views,
    /// The mistakes found so far.
    pub(crate) problems: Vec<Problem>,
}

/// An index as it is written in the file.
#[derive(Debug)]
struct Pending {
    table: QualifiedName,
    name: String,
    spec: IndexSpec,
    at: Source,
}

#[derive(Debug)]
struct Relation {
    at: Source,
    /// The relation's name as written in the file that was read last.
    written: (FileId, String),
    prune: Option<(bool, Source)>,
    indexes: Vec<Declared<Index>>,
}

impl Declarations {
    /// Adds the entries under `tables:` of one file.
    pub(crate) fn add_tables(&mut self, file: FileId, tables: Entries<Option<TableSpec>>) {
        let root = Source::file(file).key("tables");
        for (written, spec) in tables.0 {
            let at = root.key(&written);
            match QualifiedName::parse(&written) {
                Ok(name) if self.matviews.has(&name) => {
                    let message = format!("`{name}` is also declared under `materialized_views:`");
                    let problem = Problem::new(&at, message).on_key();
                    self.problems.push(problem.hint("declare its indexes there"));
                }
                Ok(name) => self.add_relation(&name, &written, spec.unwrap_or_default(), &at),
                Err(error) => self.problems.push(Problem::new(&at, error.to_string()).on_key()),
            }
        }
    }

    /// Adds the entries under `retention:` of one file.
    pub(crate) fn add_rules(&mut self, file: FileId, rules: Entries<RuleSpec>) {
        let root = Source::file(file).key("retention");
        for (written, spec) in rules.0 {
            let at = root.key(&written);
            let table = match QualifiedName::parse(&written) {
                Ok(table) => table,
                Err(error) => {
                    self.problems.push(Problem::new(&at, error.to_string()).on_key());
                    continue;
                }
            };
            if let Some((first, _)) = self.rules.get(&table) {
                let problem = Problem::new(&at, format!("`{table}` has two retention rules")).on_key();
                self.problems.push(problem.related(first, "first here"));
                continue;
            }
            let lowered = retention::spec::lower(&table, &spec, &at);
            let rule = lowered.map_err(|problems| self.problems.extend(problems)).ok();
            self.rules.insert(table, (at.clone(), rule.map(|rule| Declared::new(rule, at, Body::Whole))));
        }
    }

    /// Adds the entries under `materialized_views:` of one file. Paths of query files are relative to its `folder`.
    pub(crate) fn add_matviews(&mut self, file: FileId, folder: &Path, views: Entries<ViewSpec>, read: ReadQuery<'_>) {
        for found in self.matviews.add(file, folder, views, read) {
            if let Some(relation) = self.relations.get(&found.view) {
                let message = format!("`{}` is also declared under `tables:`", found.view);
                let problem = Problem::new(&found.at, message).on_key().related(&relation.at, "the other one");
                self.problems.push(problem.hint("declare its indexes here"));
                continue;
            }
            let spec = TableSpec { prune: None, indexes: found.indexes };
            self.add_relation(&found.view, &found.written, spec, &found.at);
        }
        self.problems.append(&mut self.matviews.problems);
    }

    fn add_relation(&mut self, name: &QualifiedName, written: &str, spec: TableSpec, at: &Source) {
        let here = (at.file, written.to_owned());
        let relation = match self.relations.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Relation { at: at.clone(), written: here, prune: None, indexes: Vec::new() })
            }
            Entry::Occupied(entry) => {
                let relation = entry.into_mut();
                let (file, first) = std::mem::replace(&mut relation.written, here);
                if file == at.file {
                    let message = format!("`{written}` is the same relation as `{first}`");
                    let problem = Problem::new(at, message).on_key().hint("put both under one key");
                    let first = Source::file(file).key("tables").key(&first);
                    self.problems.push(problem.related(&first, "first here"));
                }
                relation
            }
        };
        if let Some(prune) = spec.prune {
            let prune_at = at.key("prune");
            match &relation.prune {
                Some((first, first_at)) if *first != prune => {
                    let message = format!("`prune` of `{name}` is both `{first}` and `{prune}`");
                    self.problems.push(Problem::new(&prune_at, message).related(first_at, "the other one"));
                }
                _ => relation.prune = Some((prune, prune_at)),
            }
        }
        let indexes_at = at.key("indexes");
        for (index, spec) in spec.indexes.map(|indexes| indexes.0).unwrap_or_default() {
            let at = indexes_at.key(&index);
            self.pending.push(Pending { table: name.clone(), name: index, spec, at });
        }
    }

    /// Makes indexes of the pending declarations, on several threads if there are many.
    fn lower_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(1 + pending.len() / THREAD_INDEXES);
        let mut shares: Vec<Vec<Pending>> = Vec::with_capacity(threads);
        let size = pending.len().div_ceil(threads).max(1);
        let mut pending = pending.into_iter();
        for _ in 0..threads {
            shares.push(pending.by_ref().take(size).collect());
        }
        let lower_all = |share: Vec<Pending>| share.into_iter().map(lower_one).collect::<Vec<_>>();
        let lowered: Vec<_> = match <[Vec<Pending>; 1]>::try_from(shares) {
            Ok([only]) => lower_all(only),
            Err(shares) => thread::scope(|scope| {
                let started: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || lower_all(share))).collect();
                let join = |thread: thread::ScopedJoinHandle<'_, Vec<_>>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                started.into_iter().flat_map(join).collect()
            }),
        };
        for (table, name, at, result) in lowered {
            self.add_index(&table, &name, &at, result);
        }
    }

    fn add_index(&mut self, table: &QualifiedName, name: &str, at: &Source, lowered: Lowered) {
        let first = Ident::new(name).ok().and_then(|name| {
            let place = (table.clone(), at.clone());
            self.indexes.insert(table.sibling(name), place)
        });
        if let Some((first_table, first)) = &first {
            self.problems.push(twice(name, table, at, first_table, first));
        }
        match lowered {
            Ok(declared) if first.is_none() => {
                if let Some(relation) = self.relations.get_mut(table) {
                    relation.indexes.push(declared);
                }
            }
            Ok(_) => {}
            Err(problems) => self.problems.extend(problems),
        }
    }

    /// All valid declarations, and all mistakes.
    pub(crate) fn finish(mut self, scheduler: Option<Runner>) -> (Desired, Vec<Problem>) {
        self.lower_pending();
        for (name, (_, at)) in &self.indexes {
            if let Some(relation) = self.relations.get(name) {
                let problem = Problem::new(at, format!("`{name}` is both an index and a relation")).on_key();
                let problem = problem.hint("relations and indexes of a schema cannot share a name: rename the index");
                self.problems.push(problem.related(&relation.at, "the relation"));
            }
        }
        let broken = self.matviews.broken();
        self.relations.retain(|name, _| !broken.contains(name));
        let relations = self.relations.into_iter().map(|(name, relation)| DesiredRelation {
            name,
            at: relation.at,
            prune: relation.prune.is_some_and(|(prune, _)| prune),
            indexes: relation.indexes,
        });
        let desired = Desired::new(kinds::Declarations {
            relations: relations.collect(),
            matviews: self.matviews.finish(),
            rules: self.rules.into_values().filter_map(|(_, rule)| rule).collect(),
            scheduler,
        });
        (desired, self.problems)
    }
}

type Lowered = Result<Declared<Index>, Vec<Problem>>;

fn lower_one(pending: Pending) -> (QualifiedName, String, Source, Lowered) {
    let Pending { table, name, spec, at } = pending;
    let lowered = lower(&table, &name, &spec, &at);
    (table, name, at, lowered)
}

fn twice(name: &str, table: &QualifiedName, at: &Source, first_table: &QualifiedName, first: &Source) -> Problem {
    if first_table == table {
        let problem = Problem::new(at, format!("the index `{name}` of `{table}` is declared twice")).on_key();
        return problem.related(first, "first here");
    }
    let message = format!("schema `{}` would have two indexes named `{name}`", table.schema);
    let problem = Problem::new(at, message).on_key().related(first, format!("on `{first_table}`"));
    problem.hint("index names are unique within a schema, also across tables: rename one of them")
}
