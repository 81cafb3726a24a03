//! What happens to materialized views: the declared ones in the order in which they read each other, then those that
//! are managed and no longer declared, the other way round. What is wrong with them is in `check`.

mod check;
mod undeclared;

use std::collections::BTreeSet;

use super::{
    Matview,
    canonical::{self, Printed},
    compare::{self, Alteration},
    facts::Found,
    generated::{BUILDING, building_name},
    order,
    steps::Steps,
};
use crate::{
    address::Address,
    desired::{DeclaredIndex, DeclaredMatview, Desired},
    digest::Digest,
    kinds::{Object, index::Index, retention::decide::Setting},
    live::{Live, LiveIndex, Relation},
    name::QualifiedName,
    plan::{Action, Note, PlannedChange, Prior, Record, RelationSize, Step},
    problem::Problem,
    scope::{Filter, Release},
};

/// What was decided about all materialized views.
#[derive(Debug, Default)]
pub struct Decisions {
    /// In the order of execution. The numbers of transactions count from 0 within each change.
    pub changes: Vec<PlannedChange>,
    /// What changes nothing and is worth knowing.
    pub notes: Vec<Note>,
    /// Managed and unchanged, but with an outdated entry in the registry.
    pub records: Vec<Record>,
    /// The relations whose indexes come and go with the changes here, or that are not there yet.
    pub with_indexes: BTreeSet<QualifiedName>,
    /// The user's mistakes.
    pub problems: Vec<Problem>,
}

/// Decides about every materialized view that is declared or managed.
#[must_use]
pub fn decide(desired: &Desired, live: &Live, filter: &Filter, release: &Release, setting: Setting<'_>) -> Decisions {
    let mut decider = Decider { desired, live, filter, release, setting, out: Decisions::default() };
    match order::sorted(&order::reads(&desired.matviews, &setting.session.search_path)) {
        Ok(names) => {
            for declared in names.iter().filter_map(|name| desired.matview(name)) {
                decider.declared(declared);
            }
        }
        Err(circle) => {
            decider.out.problems.push(order::problem(&circle, &desired.matviews));
            decider.out.with_indexes.extend(desired.matviews.iter().map(|view| view.view.name.clone()));
        }
    }
    decider.undeclared();
    let mut out = decider.out;
    // They may read each other, so they take turns.
    let tree = out.changes.first().map(|change| change.address.table().clone());
    for change in &mut out.changes {
        change.tree = tree.clone().unwrap_or_else(|| change.tree.clone());
    }
    out
}

struct Decider<'a> {
    desired: &'a Desired,
    live: &'a Live,
    filter: &'a Filter,
    release: &'a Release,
    setting: Setting<'a>,
    out: Decisions,
}

/// What happens to one that is declared.
enum What<'a> {
    Create,
    Replace(&'a Found),
    /// Properties that change in place, if any do.
    Keep(&'a Found, Vec<Alteration>),
}

impl<'a> Decider<'a> {
    fn declared(&mut self, declared: &'a DeclaredMatview) {
        let (name, address) = (&declared.view.name, declared.view.address());
        let found = self.live.matviews.found.get(name);
        if !self.filter.admits(&address) {
            if found.is_none() {
                self.out.with_indexes.insert(name.clone());
            }
            return;
        }
        let what = match found {
            None => What::Create,
            Some(found) if !found.is_matview() => {
                let message = format!("`{name}` is a {}", found.what());
                let problem = Problem::new(&declared.at, message).on_key();
                self.out.problems.push(problem.hint("names of tables, views and indexes are unique within a schema"));
                self.out.with_indexes.insert(name.clone());
                return;
            }
            Some(found) => self.compared(declared, found),
        };
        let problems = check::declared(declared, &what, self.desired, self.live, &self.setting.session.search_path);
        if !problems.is_empty() {
            self.out.problems.extend(problems);
            if !matches!(what, What::Keep(..)) {
                self.out.with_indexes.insert(name.clone());
            }
            return;
        }
        match what {
            What::Create => self.create(declared),
            What::Replace(found) => self.replace(declared, found),
            What::Keep(found, alterations) => self.keep(declared, found, &alterations),
        }
    }

    fn compared(&self, declared: &DeclaredMatview, found: &'a Found) -> What<'a> {
        let live = found.view(None);
        let same = canonical::settled(declared, self.live).is_some()
            || self.printed(&declared.view.name).is_some_and(|printed| printed.query == live.query);
        if !same {
            return What::Replace(found);
        }
        let default_tablespace = &self.live.vocabulary.default_tablespace;
        What::Keep(found, compare::alterations(&live, &declared.view, default_tablespace))
    }

    fn create(&mut self, declared: &'a DeclaredMatview) {
        let mut steps = self.steps(&declared.view.name);
        let view = Matview { indexes: self.indexes(&declared.view.name), ..declared.view.clone() };
        steps.create(&view);
        let records = self.records(declared, &view);
        let reason = "it does not exist".to_owned();
        self.out.with_indexes.insert(view.name.clone());
        let after = Some(view);
        self.change(
            &declared.view.name,
            Change { action: Action::Create, reason, before: None, after, steps, records },
        );
    }

    fn replace(&mut self, declared: &'a DeclaredMatview, found: &'a Found) {
        let mut steps = self.steps(&declared.view.name);
        let before = found.view(self.relation(&found.name));
        let view = Matview {
            with: declared.view.with.clone().or_else(|| before.with.clone()),
            tablespace: declared.view.tablespace.clone().or_else(|| before.tablespace.clone()),
            comment: declared.view.comment.clone().or_else(|| before.comment.clone()),
            indexes: self.indexes(&declared.view.name),
            ..declared.view.clone()
        };
        let columns = self.printed(&view.name).map(|printed| printed.columns.as_slice()).unwrap_or_default();
        steps.replace(&view, found, columns, self.relation(&found.name));
        let records = self.records(declared, &view);
        if !found.hangs.is_empty() {
            let text = format!("lost by the replacement: {}", found.hangs.join(", "));
            self.out.notes.push(Note::new(view.address(), text));
        }
        let reason = "differs in query".to_owned();
        self.out.with_indexes.insert(view.name.clone());
        let (action, before, after) = (Action::Replace, Some(found), Some(view));
        self.change(&found.name, Change { action, reason, before, after, steps, records });
    }

    fn keep(&mut self, declared: &'a DeclaredMatview, found: &'a Found, alterations: &[Alteration]) {
        let address = declared.view.address();
        let managed = self.live.registry.managed.contains_key(&address);
        let mut steps = self.steps(&found.name);
        let leftover = self.leftover(&found.name).is_some();
        steps.alter(&found.view(None), alterations);
        let applied = self.live.registry.matviews.get(&found.name);
        let refresh = applied.is_some_and(|applied| applied.refresh != declared.view.refresh);
        let mut differences: Vec<_> = alterations.iter().map(Alteration::word).collect();
        differences.extend(refresh.then_some("refresh"));
        let (action, reason) = if !differences.is_empty() {
            (Action::Update, format!("differs in {}", differences.join(", ")))
        } else if leftover {
            (Action::Repair, "an interrupted run left something beside it".to_owned())
        } else if let Some(reason) = self.release.get(&address) {
            if managed {
                self.forget(&address, reason, Some(found));
            }
            return;
        } else if !managed {
            (Action::Adopt, "it exists as declared".to_owned())
        } else {
            if canonical::settled(declared, self.live).is_none() {
                self.out.records.push(manage(declared, &canonical::definition(&found.query())));
            }
            return;
        };
        let view = Matview { query: found.query(), ..declared.view.clone() };
        let records = vec![manage(declared, &canonical::definition(&found.query()))];
        let (before, after) = (Some(found), Some(view));
        self.change(&found.name, Change { action, reason, before, after, steps, records });
    }

    /// Starts with taking away what an interrupted run left.
    fn steps(&self, view: &QualifiedName) -> Steps {
        let mut steps = Steps::new(self.setting.limits);
        if let Some(leftover) = self.leftover(view) {
            steps.clean_up(&leftover.name);
        }
        steps
    }

    fn leftover(&self, view: &QualifiedName) -> Option<&'a Found> {
        self.live.matviews.found.get(&building_name(view)).filter(|found| found.is_matview())
    }

    fn printed(&self, view: &QualifiedName) -> Option<&'a Printed> {
        self.live.matviews.printed.get(view)
    }

    fn relation(&self, view: &QualifiedName) -> Option<&'a Relation> {
        self.live.relations.get(view)
    }

    fn declared_indexes(&self, view: &QualifiedName) -> &'a [DeclaredIndex] {
        self.desired.relation(view).map(|relation| relation.indexes.as_slice()).unwrap_or_default()
    }

    /// The indexes that a new view has: the declared ones, and those of others that stand on the old one.
    fn indexes(&self, view: &QualifiedName) -> Vec<Index> {
        let standing = self.relation(view).map(|relation| &relation.indexes);
        let live = |index: &Index| standing.and_then(|standing| standing.get(&index.name)).map(|live| &live.index);
        let declared = self.declared_indexes(view).iter().map(|declared| {
            let (index, old) = (&declared.index, live(&declared.index));
            Index {
                with: index.with.clone().or_else(|| old?.with.clone()),
                tablespace: index.tablespace.clone().or_else(|| old?.tablespace.clone()),
                comment: index.comment.clone().or_else(|| old?.comment.clone()),
                ..index.clone()
            }
        });
        let declared: Vec<_> = declared.collect();
        let is_stranger = |live: &&LiveIndex| {
            !declared.iter().any(|index| index.name == live.index.name)
                && !self.live.registry.managed.contains_key(&live.index.address())
                && !live.index.name.as_str().starts_with(BUILDING)
        };
        let strangers = standing.into_iter().flat_map(|standing| standing.values()).filter(is_stranger);
        let strangers: Vec<_> = strangers.map(|live| live.index.clone()).collect();
        declared.into_iter().chain(strangers).collect()
    }

    /// What the registry is told of a view that is made anew, and of the indexes on it.
    fn records(&self, declared: &DeclaredMatview, view: &Matview) -> Vec<Record> {
        let name = &view.name;
        // Where it was not printed, the next run with a change finds out and writes it down.
        let definition = self
            .printed(name)
            .map_or(canonical::definition(&view.query), |printed| canonical::definition(&printed.query));
        let indexes = self.declared_indexes(name).iter().map(|declared| {
            let live = self.relation(name).and_then(|relation| relation.indexes.get(&declared.index.name));
            let recorded = live.filter(|live| self.live.recorded.contains(&live.oid));
            Record::Manage {
                address: declared.index.address(),
                declared: declared.digest.clone(),
                definition: Digest::of(recorded.map_or(&declared.index.definition, |live| &live.index.definition)),
                declaration: Object::Index(Box::new(declared.index.clone())),
            }
        });
        let is_declared =
            |address: &Address| self.declared_indexes(name).iter().any(|declared| declared.index.address() == *address);
        let managed = self.live.registry.indexes_of(name).map(|(address, _)| address);
        let gone = managed.filter(|address| !is_declared(address)).cloned();
        let gone: Vec<_> = gone.map(|address| Record::Forget { address }).collect();
        indexes.chain(gone).chain([manage(declared, &definition)]).collect()
    }

    fn change(&mut self, name: &QualifiedName, change: Change<'_>) {
        let Change { action, reason, before, after, steps, records } = change;
        let name = name.clone();
        let address = Address::matview(&name);
        let managed = self.live.registry.managed.contains_key(&address);
        let applied = self.live.registry.matviews.get(&name);
        let relation = self.relation(&name);
        let (steps, found) = (steps.finish(), before);
        // The plan shows what the server makes of the query, so that a difference is one in meaning.
        let printed = self.printed(&name).map(|printed| printed.query.clone());
        let after = after.map(|view| Matview { query: printed.unwrap_or_else(|| view.query.clone()), ..view });
        let size = RelationSize {
            name: name.clone(),
            bytes: found.and_then(|found| found.bytes).unwrap_or_default(),
            rows: found.and_then(|found| found.rows),
        };
        let hangs = |found: &Found| match action {
            Action::Replace | Action::Drop => found.hangs.clone(),
            Action::Create | Action::Update | Action::Rename | Action::Adopt | Action::Repair | Action::Forget => {
                Vec::new()
            }
        };
        let prior = Prior { managed, valid: found.is_some(), hangs: found.map(hangs).unwrap_or_default() };
        let before = found.map(|found| Matview {
            refresh: applied.and_then(|applied| applied.refresh.clone()),
            ..found.view(relation)
        });
        self.out.changes.push(PlannedChange {
            address,
            action,
            reason,
            before: before.map(|view| Object::Matview(Box::new(view))),
            after: after.map(|view| Object::Matview(Box::new(view))),
            prior,
            relies_on: self.relies_on(&name, applied),
            tree: name,
            hazards: steps.iter().flat_map(|step: &Step| step.hazards.iter().copied()).collect(),
            relation: size,
            estimate: None,
            steps,
            records,
        });
    }

    /// Of the view, its indexes and what an interrupted run left.
    fn relies_on(&self, name: &QualifiedName, applied: Option<&Matview>) -> Digest {
        let found = |name: &QualifiedName| self.live.matviews.found.get(name).map(Found::digest);
        let indexes = self.relation(name).map(|relation| relation.indexes.values().collect::<Vec<_>>());
        Digest::of(&(found(name), found(&building_name(name)), indexes, applied))
    }
}

/// A change as it is decided.
struct Change<'a> {
    action: Action,
    reason: String,
    before: Option<&'a Found>,
    after: Option<Matview>,
    steps: Steps,
    records: Vec<Record>,
}

fn manage(declared: &DeclaredMatview, definition: &Digest) -> Record {
    Record::Manage {
        address: declared.view.address(),
        declared: declared.digest.clone(),
        definition: definition.clone(),
        declaration: Object::Matview(Box::new(declared.view.clone())),
    }
}
