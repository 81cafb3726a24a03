//! Plans the changes of materialized views: first the declared ones in the order of dependencies, then the managed ones
//! that are no longer declared, in reverse order. `check` finds the problems.

mod anew;
mod check;
mod rights;
mod undeclared;

use std::collections::BTreeSet;

use super::{
    Grants, Matview, View, address,
    canonical::{self, Printed},
    catalog::Found,
    compare::{self, Alteration},
    group::{self, Group, Member},
    names::{building_name, is_building_name},
    order,
    steps::Steps,
};
use crate::{
    change::{Action, Change as Planned, Entry, Impact, Note, Prior, Record, Step},
    declared::Declared,
    digest::Digest,
    kind::{Context, Part, Stage},
    kinds::index::{Carrier, Index, LiveIndex},
    postgres::name::QualifiedName,
    problem::Problem,
};

/// Plans the changes of every materialized view that is declared or managed.
pub(super) fn plan(context: Context<'_>, view: View<'_>) -> Part<Matview> {
    let moving = group::members(view);
    let groups = group::groups(&moving, view.live);
    let (out, cleaned) = (Part::default(), BTreeSet::new());
    let mut decider = Decider { context, view, moving: &moving, groups: &groups, cleaned, out };
    // A view that is no longer declared must not block changes of what it reads.
    let (before, after) = decider.going();
    decider.drop_all(&before, &after);
    match order::sorted(&order::reads(view.desired, view.live, &context.session.search_path)) {
        Ok(names) => {
            let declared: Vec<_> = names.iter().filter_map(|name| view.declared(name)).collect();
            let (first, then): (Vec<_>, Vec<_>) =
                declared.into_iter().partition(|declared| decider.comes_first(declared));
            // The alterations of a view that is replaced with others apply to the new view.
            let (last, then): (Vec<_>, Vec<_>) =
                then.into_iter().partition(|declared| decider.is_taken_along(declared));
            for declared in first.into_iter().chain(then).chain(last) {
                decider.declared(declared);
            }
        }
        Err(circle) => {
            decider.out.problems.push(order::problem(&circle, view.desired));
            for declared in view.desired {
                decider.out.projects.take_indexes_along(&declared.object.name);
            }
        }
    }
    decider.forgotten();
    decider.drop_all(&after, &before);
    let mut out = decider.out;
    // The views may read each other, so their changes share a lane.
    out.projects.lane = out.changes.first().map(|(_, change)| change.address.relation().clone());
    for (_, change) in &mut out.changes {
        change.lane = out.projects.lane.clone().unwrap_or_else(|| change.lane.clone());
    }
    out
}

struct Decider<'a> {
    context: Context<'a>,
    view: View<'a>,
    /// The views that are created or rebuilt.
    moving: &'a [Member<'a>],
    /// The groups of views that are replaced at the same moment.
    groups: &'a [Group<'a>],
    /// Leftovers whose drop is planned already.
    cleaned: BTreeSet<QualifiedName>,
    out: Part<Matview>,
}

/// What happens to a declared view.
enum Decision<'a> {
    Create,
    Replace(&'a Found),
    /// It stays; these properties change in place.
    Keep(&'a Found, Vec<Alteration>),
}

impl<'a> Decider<'a> {
    fn declared(&mut self, declared: &'a Declared<Matview>) {
        let (name, address) = (&declared.object.name, declared.object.address());
        let found = self.view.live.found.get(name);
        if !self.context.scope.admits(&address) {
            if found.is_none() {
                self.out.projects.take_indexes_along(name);
            }
            return;
        }
        let what = match found {
            None => Decision::Create,
            Some(found) if !found.is_matview() => {
                let message = format!("`{name}` is a {}", found.what());
                let problem = Problem::new(&declared.at, message).on_key();
                self.out.problems.push(
                    problem.hint("choose another name: names of tables, views and indexes are unique within a schema"),
                );
                self.out.projects.take_indexes_along(name);
                return;
            }
            Some(found) => self.compared(declared, found),
        };
        let mut problems = check::declared(declared, &what, self.view, self.context);
        if matches!(what, Decision::Replace(_)) {
            problems.extend(self.together(declared));
            let unfit = self.unfit_indexes(name);
            problems.extend(unfit.iter().map(|(index, column)| check::unfit(declared, index, column)));
        }
        if !problems.is_empty() {
            self.out.problems.extend(problems);
            if !matches!(what, Decision::Keep(..)) {
                self.out.projects.take_indexes_along(name);
            }
            return;
        }
        self.out.notes.extend(found.and_then(|found| rights::of_owner(declared, found)));
        match what {
            Decision::Create => self.create(declared),
            Decision::Replace(found) => self.replace(declared, found),
            Decision::Keep(found, alterations) => {
                self.out.notes.extend(self.unsure(declared, found).into_iter().chain(Self::empty(declared, found)));
                self.keep(declared, found, &alterations);
            }
        }
    }

    /// Whether it is rebuilt because of others.
    fn is_taken_along(&self, declared: &Declared<Matview>) -> bool {
        let mut members = self.groups.iter().flat_map(|group| &group.members);
        members.any(|member| *member.name == declared.object.name && member.declared.is_none())
    }

    /// Whether it is new and reads no view that is rebuilt. Rebuilt views may read it.
    fn comes_first(&self, declared: &Declared<Matview>) -> bool {
        let mut open = vec![&declared.object.name];
        while let Some(member) = open.pop().and_then(|name| self.moving.iter().find(|member| member.name == name)) {
            if self.view.live.found.contains_key(member.name) {
                return false;
            }
            open.extend(&member.reads);
        }
        !self.view.live.found.contains_key(&declared.object.name)
    }

    /// What prevents replacing a group; reported once, at its first declared view.
    fn together(&self, declared: &Declared<Matview>) -> Vec<Problem> {
        let Some(group) = self.groups.iter().find(|group| group.has(&declared.object.name)) else { return Vec::new() };
        let first = group.members.iter().find_map(|member| member.declared);
        if first.is_some_and(|first| first.object.name != declared.object.name) {
            return Vec::new();
        }
        let late = group.members.iter().flat_map(|member| &member.reads).find_map(|read| {
            let new = self.view.declared(read).filter(|_| !self.view.live.found.contains_key(read))?;
            (!self.comes_first(new)).then_some(new)
        });
        let mut problems = check::group(declared, group, self.view);
        problems.extend(late.map(|new| check::late(declared, new)));
        problems
    }

    fn compared(&self, declared: &Declared<Matview>, found: &'a Found) -> Decision<'a> {
        if canonical::differs(declared, found, self.view, self.context.registry) {
            return Decision::Replace(found);
        }
        let default_tablespace = &self.context.vocabulary.default_tablespace;
        let mut alterations = compare::alterations(&found.view(None), &declared.object, default_tablespace);
        alterations.extend(self.grant_changes(found, &declared.object));
        Decision::Keep(found, alterations)
    }

    fn keep(&mut self, declared: &'a Declared<Matview>, found: &'a Found, alterations: &[Alteration]) {
        let address = declared.object.address();
        let managed = self.context.registry.manages(&address);
        let leftover = !self.leftovers(&[&found.name]).is_empty();
        let mut steps = self.steps(&[&found.name]);
        steps.alter(&found.view(None), alterations);
        let applied = self.view.live.applied.get(&found.name);
        let refresh = applied.is_some_and(|applied| applied.refresh != declared.object.refresh);
        let mut differences: Vec<_> = alterations.iter().map(Alteration::word).collect();
        differences.extend(refresh.then_some("refresh"));
        let (action, reason) = if !differences.is_empty() {
            (Action::Update, format!("differs in {}", differences.join(", ")))
        } else if leftover {
            (Action::Repair, "an interrupted run left an index beside it".to_owned())
        } else if let Some(reason) = self.context.scope.released(&address) {
            if managed {
                self.forget(&address, reason, Some(found));
            }
            return;
        } else if !managed {
            (Action::Adopt, "it exists as declared".to_owned())
        } else {
            let record = self.entry(declared, found);
            if !self.is_noted(&record, found) {
                self.out.records.push(record);
            }
            return;
        };
        let view = Matview { query: found.query(), grants: self.grants(&declared.object), ..declared.object.clone() };
        let records = vec![self.entry(declared, found)];
        let (before, after) = (Some(found), Some(view));
        self.change(&found.name, Change { action, reason, before, after, steps, records });
    }

    /// The registry's entry of a view that stands as it is declared.
    fn entry(&self, declared: &Declared<Matview>, found: &Found) -> Record {
        let basis = if self.is_doubtful(declared, found) {
            self.context.registry.managed.get(&declared.object.address()).and_then(|entry| entry.basis.clone())
        } else {
            self.view.live.bases.get(&found.name).map(|basis| serde_json::json!(basis))
        };
        Entry { basis, ..entry(declared, canonical::definition(&found.query())) }.into()
    }

    /// Whether what the query relies on has changed, and this role cannot ask what it means now.
    fn is_doubtful(&self, declared: &Declared<Matview>, found: &Found) -> bool {
        let live = self.view.live;
        live.unasked
            && !live.printed.contains_key(&found.name)
            && canonical::settled(declared, self.view, self.context.registry).is_none()
    }

    /// A note on a view that nobody can read.
    fn empty(declared: &Declared<Matview>, found: &Found) -> Option<Note> {
        let text = "it is not filled, so that every query that reads it fails; `reconcile refresh` fills it";
        (!found.populated && declared.object.with_data).then(|| Note::new(address(&found.name), text))
    }

    fn unsure(&self, declared: &Declared<Matview>, found: &Found) -> Option<Note> {
        let moved = canonical::moved(declared, self.view, self.context.registry);
        let moved = moved.first().filter(|_| self.is_doubtful(declared, found))?;
        let text = format!(
            "{moved}: this role cannot tell whether its query still means the same, since it may not create temporary \
             views here; plan as a role with TEMPORARY on the database, on the primary"
        );
        Some(Note { of_role: true, ..Note::new(address(&found.name), text) })
    }

    /// Whether the registry has this record.
    fn is_noted(&self, record: &Record, found: &Found) -> bool {
        let Record::Manage(new) = record else { return false };
        let noted = self.context.registry.managed.get(&new.address);
        noted.is_some_and(|noted| {
            (&noted.declared, &noted.definition, &noted.basis) == (&new.declared, &new.definition, &new.basis)
                && noted.object == Some(found.oid)
        })
    }

    /// Begins the steps of a change with dropping what an interrupted run left.
    fn steps(&mut self, views: &[&QualifiedName]) -> Steps {
        let mut steps = Steps::new(self.context.limits, &self.context.session.search_path);
        for leftover in self.leftovers(views) {
            steps.clean_up(&leftover.name);
            self.cleaned.insert(leftover.name.clone());
        }
        steps
    }

    /// What an interrupted run left of the replacement of some views, each one after those that read it.
    fn leftovers(&self, views: &[&QualifiedName]) -> Vec<&'a Found> {
        let is_leftover = |found: &&Found| found.is_matview() && is_building_name(&found.name);
        let all: Vec<&'a Found> = self.view.live.found.values().filter(is_leftover).collect();
        // A leftover of a view that is not managed is found by what it reads.
        let is_of = |found: &Found| match self.built_for(found) {
            Some(own) => views.contains(&own),
            None => views.iter().any(|view| building_name(view) == found.name || found.reads.contains(view)),
        };
        let mut left: Vec<_> = all.iter().copied().filter(|found| is_of(found)).collect();
        loop {
            let is_left = |name: &QualifiedName| left.iter().any(|found| found.name == *name);
            let more = all.iter().find(|found| !is_left(&found.name) && found.reads.iter().any(is_left)).copied();
            match more {
                Some(reader) => left.push(reader),
                None => break,
            }
        }
        let reads: Vec<_> = left.iter().map(|found| (found.name.clone(), found.reads.clone())).collect();
        // Views that exist cannot read each other in a circle.
        let order = order::sorted(&reads).unwrap_or_default();
        left.sort_by_key(|found| std::cmp::Reverse(order.iter().position(|name| *name == found.name)));
        left.retain(|found| !self.cleaned.contains(&found.name));
        left
    }

    /// The view, declared or managed, that a leftover was built for.
    fn built_for(&self, leftover: &Found) -> Option<&'a QualifiedName> {
        let declared = self.view.desired.iter().map(|declared| &declared.object.name);
        let mut all = declared.chain(self.view.live.applied.keys());
        all.find(|name| building_name(name) == leftover.name)
    }

    fn printed(&self, view: &QualifiedName) -> Option<&'a Printed> {
        self.view.live.printed.get(view)
    }

    fn relation(&self, view: &QualifiedName) -> Option<&'a Carrier> {
        self.view.indexes.live.relations.get(view)
    }

    fn declared_indexes(&self, view: &QualifiedName) -> &'a [Declared<Index>] {
        self.view.indexes.desired(view).map(|relation| relation.indexes.as_slice()).unwrap_or_default()
    }

    fn change(&mut self, name: &QualifiedName, change: Change<'_>) {
        let Change { action, reason, before, after, steps, records } = change;
        let name = name.clone();
        let address = address(&name);
        let managed = self.context.registry.manages(&address);
        let applied = self.view.live.applied.get(&name);
        let relation = self.relation(&name);
        let (steps, found) = (steps.finish(), before);
        // The plan shows the query as the server prints it, so that each visible difference is one in meaning.
        let printed = self.printed(&name).map(|printed| printed.query.clone());
        let after = after.map(|view| Matview { query: printed.unwrap_or_else(|| view.query.clone()), ..view });
        let bytes = found.and_then(|found| found.bytes).unwrap_or_default();
        let impact = Impact::of(&name, bytes, found.and_then(|found| found.rows));
        let hangs = |found: &Found| match action {
            Action::Replace => self.lost(found),
            Action::Drop => found.loses_all(),
            Action::Create | Action::Update | Action::Rename | Action::Adopt | Action::Repair | Action::Forget => {
                Vec::new()
            }
        };
        let prior = Prior { managed, valid: found.is_some(), hangs: found.map(hangs).unwrap_or_default() };
        // A drop loses the rights, and declared rights may change: a rollback needs to know them.
        let tells_grants = matches!(action, Action::Drop) || after.as_ref().is_some_and(|view| view.grants.is_some());
        let before = found.map(|found| Matview {
            grants: tells_grants.then(|| Grants::held(found)),
            refresh: applied.and_then(|applied| applied.refresh.clone()),
            ..found.view(relation)
        });
        let planned = Planned {
            address,
            action,
            reason,
            before,
            after,
            takes_in: Vec::new(),
            prior,
            relies_on: self.relies_on(&name, applied),
            lane: name,
            hazards: steps.iter().flat_map(|step: &Step| step.hazards.iter().copied()).collect(),
            impact,
            steps,
            records,
        };
        self.out.changes.push((Stage::Objects, planned));
    }

    fn relation_facts(&self, name: &QualifiedName) -> Option<Vec<&'a LiveIndex>> {
        self.relation(name).map(|relation| relation.indexes.values().collect())
    }

    /// What a view has now that its replacement cannot have.
    fn lost(&self, found: &Found) -> Vec<String> {
        self.printed(&found.name).map(|printed| found.loses(&printed.column_names())).unwrap_or_default()
    }

    /// The digest of the view, its indexes, its group, and what an interrupted run left.
    fn relies_on(&self, name: &QualifiedName, applied: Option<&Matview>) -> Digest {
        let found = |name: &QualifiedName| self.view.live.found.get(name).map(Found::digest);
        let indexes = self.relation_facts(name);
        let group = self.groups.iter().find(|group| group.has(name) && !group.is_alone());
        let group = group.map(|group| {
            let members = group.members.iter().map(|member| (found(member.name), self.relation_facts(member.name)));
            let dependents = self.view.live.dependents.iter();
            let dependents = dependents.filter(|dependent| group.members.iter().any(|m| dependent.depends_on(m.name)));
            (members.collect::<Vec<_>>(), dependents.collect::<Vec<_>>())
        });
        let own = (found(name), found(&building_name(name)), indexes, applied);
        let columns = self.view.live.printed.get(name).map(|printed| &printed.columns);
        // Without a group and a new view, the digest is the same as in versions without those.
        if group.is_none() && columns.is_none() { Digest::of(&own) } else { Digest::of(&(own, group, columns)) }
    }
}

/// A change, before it has an address and a digest.
struct Change<'a> {
    action: Action,
    reason: String,
    before: Option<&'a Found>,
    after: Option<Matview>,
    steps: Steps,
    records: Vec<Record>,
}

fn entry(declared: &Declared<Matview>, definition: Digest) -> Entry {
    Entry::new(declared.object.address(), &declared.digest, definition, &declared.object)
}
