//! Views that are created or rebuilt, alone or together with the views that read them.

use super::{Change, Decider, entry};
use crate::{
    address::Address,
    change::{Action, Entry, Note, Record},
    declared::Declared,
    digest::Digest,
    hazard::{Hazard, HazardSet},
    kinds::{
        index::{Index, LiveIndex, managed, record},
        matview::{
            Matview, Query, address,
            canonical::{self, Printed},
            catalog::Found,
            dependents::Reader,
            group::{Group, Member},
            names::{BUILDING, is_building_name},
            steps::{Anew, Repointed},
        },
    },
    postgres::name::{Ident, QualifiedName},
};

impl<'a> Decider<'a> {
    pub(super) fn create(&mut self, declared: &'a Declared<Matview>) {
        let mut steps = self.steps(&[&declared.object.name]);
        let grants = self.grants(&declared.object);
        let view = Matview { indexes: self.indexes(&declared.object.name), grants, ..declared.object.clone() };
        steps.create(&view, &self.view.live.roles.by_default(&view.name.schema));
        let records = self.records(declared, &view);
        self.exposed(&view.name);
        let reason = "it does not exist".to_owned();
        self.out.projects.take_indexes_along(&view.name);
        let after = Some(view);
        self.change(
            &declared.object.name,
            Change { action: Action::Create, reason, before: None, after, steps, records },
        );
    }

    /// Replaces a view, and its whole group with it: the change of the first declared view of a group has the steps for
    /// all.
    pub(super) fn replace(&mut self, declared: &'a Declared<Matview>, found: &'a Found) {
        let Some(group) = self.groups.iter().find(|group| group.has(&declared.object.name)) else { return };
        for member in &group.members {
            self.out.projects.take_indexes_along(member.name);
        }
        let first = group.members.iter().find_map(|member| member.declared).unwrap_or(declared);
        let is_first = first.object.name == declared.object.name;
        let names: Vec<_> = group.members.iter().map(|member| member.name).collect();
        let mut steps = if is_first { self.steps(&names) } else { self.steps(&[]) };
        let mut reason = self.difference(declared, found);
        if is_first {
            let anew: Vec<_> = group.members.iter().filter_map(|member| self.anew(member, group)).collect();
            steps.replace(&anew, &self.repointed(group, &found.owner));
            self.of_before(group);
            let others: Vec<_> = self.rebuilt(group);
            if !others.is_empty() {
                reason.push_str(&format!("; made anew with it: {}", others.join(", ")));
            }
        } else {
            reason.push_str(&format!("; takes its place together with {}", first.object.address()));
        }
        let view = self.replacement(declared, found);
        let mut records = self.records(declared, &view);
        if is_first {
            let kept = group.members.iter().filter(|member| member.declared.is_none());
            records.extend(kept.flat_map(|member| {
                self.index_records(member.name).into_iter().chain(self.record_of_kept(member.name))
            }));
        }
        self.exposed(&view.name);
        let lost = self.lost(found);
        if !lost.is_empty() {
            let text = format!("lost by the replacement: {}", lost.join(", "));
            self.out.notes.push(Note::new(view.address(), text));
        }
        let (action, before, after) = (Action::Replace, Some(found), Some(view));
        self.change(&found.name, Change { action, reason, before, after, steps, records });
    }

    /// How the query differs. The same text may mean something else than it did.
    fn difference(&self, declared: &Declared<Matview>, found: &Found) -> String {
        let registry = self.context.registry;
        if !canonical::is_recorded(declared, found, self.view, registry) {
            return "differs in query".to_owned();
        }
        match canonical::moved(declared, self.view, registry).as_slice() {
            [] => "its query means something else over what it reads".to_owned(),
            moved => format!("its query means something else now: {}", moved.join(", ")),
        }
    }

    /// Since PostgreSQL 17, the server fills views with a restricted search path (docs/pitfalls.md, "Views are filled
    /// with a restricted search path").
    fn exposed(&mut self, name: &QualifiedName) {
        const RESTRICTED_SINCE: u32 = 170_000;
        let exposed = self.printed(name).map(|printed| printed.exposed.join(", ")).unwrap_or_default();
        if exposed.is_empty() || self.context.database.server_version < RESTRICTED_SINCE {
            return;
        }
        let text = format!(
            "it is filled and refreshed with `search_path = pg_catalog, pg_temp`, in which {exposed} finds nothing of yours \
             that it names without a schema; ALTER FUNCTION … SET search_path gives it a path of its own"
        );
        // A role that could not have the query printed cannot know this.
        self.out.notes.push(Note { of_role: true, ..Note::new(address(name), text) });
    }

    /// The view that replaces the existing one; properties that are not declared keep their values.
    fn replacement(&self, declared: &Declared<Matview>, found: &Found) -> Matview {
        let before = found.view(self.relation(&found.name));
        Matview {
            with: declared.object.with.clone().or(before.with),
            tablespace: declared.object.tablespace.clone().or(before.tablespace),
            comment: declared.object.comment.clone().or(before.comment),
            indexes: self.indexes(&declared.object.name),
            grants: self.grants(&declared.object),
            ..declared.object.clone()
        }
    }

    /// How one view of a group is built.
    fn anew(&self, member: &Member<'_>, group: &Group<'_>) -> Option<Anew<'a>> {
        let old = self.view.live.found.get(member.name)?;
        let view = match member.declared {
            Some(declared) => self.replacement(declared, old),
            None => Matview { indexes: self.indexes(member.name), ..old.view(None) },
        };
        let columns: Vec<Ident> = match (member.declared, self.printed(member.name)) {
            (Some(_), Some(printed)) => printed.column_names(),
            (Some(_) | None, _) => old.columns.iter().map(|column| column.name.clone()).collect(),
        };
        let (query, printed) = match self.view.live.rehearsed.get(member.name) {
            // A view that reads none of the others is built from the declared text.
            Some(rehearsed) if member.reads.iter().any(|read| group.has(read)) => {
                (rehearsed.query.renamed(&group.names(self.moving)), true)
            }
            Some(_) | None => (member.query.clone(), member.declared.is_none()),
        };
        let hazards = if member.declared.is_none() { rebuilt(&old.owner, self.owner(group)) } else { HazardSet::new() };
        Some(Anew {
            view: Matview { query, ..view },
            printed,
            old,
            columns,
            relation: self.relation(member.name),
            hazards,
        })
    }

    /// The plain views over a group, with queries that read the new views.
    fn repointed(&self, group: &Group<'a>, owner: &Ident) -> Vec<Repointed<'a>> {
        let names = group.names(self.moving);
        let of = |view: &&'a Reader| {
            let rehearsed = self.view.live.rehearsed.get(&view.name)?;
            Some(Repointed { view, query: rehearsed.query.renamed(&names), hazards: rebuilt(&view.owner, owner) })
        };
        group.views.iter().filter_map(of).collect()
    }

    /// Notes on views that read a group through plain views: they are filled through the old plain views.
    fn of_before(&mut self, group: &Group<'_>) {
        let found = &self.view.live.found;
        let between: Vec<_> =
            group.members.iter().filter_map(|member| found.get(member.name)).flat_map(|found| &found.read_by).collect();
        let is_matview = |found: &&Found| found.is_matview() && !is_building_name(&found.name);
        let stale = found.values().filter(is_matview).filter_map(|found| {
            // The server prints names with their schemas.
            let mentions = found.query().mentions(&[]);
            let view = between.iter().find(|view| mentions(view))?;
            let text =
                format!("what it reads through {view} is of before this change until the next `reconcile refresh`");
            Some(Note::new(address(&found.name), text))
        });
        let stale: Vec<_> = stale.collect();
        self.out.notes.extend(stale);
    }

    /// The views that are rebuilt without being declared differently, in the server's words.
    fn rebuilt(&self, group: &Group<'_>) -> Vec<String> {
        let is_kept =
            |name: &QualifiedName| group.members.iter().any(|member| member.name == name && member.declared.is_none());
        let dependents = self.view.live.dependents.iter().filter_map(|dependent| {
            let reader = dependent.relation.as_ref()?;
            let taken = match dependent.plain_view() {
                Some(_) => group.views.iter().any(|view| view.name == reader.name),
                None => is_kept(&reader.name),
            };
            taken.then(|| dependent.what.clone())
        });
        dependents.collect()
    }

    /// The owner of the first declared view of a group.
    fn owner(&self, group: &Group<'_>) -> &'a Ident {
        let first = group.members.iter().find(|member| member.declared.is_some()).or(group.members.first());
        let found = first.and_then(|member| self.view.live.found.get(member.name));
        match found {
            Some(found) => &found.owner,
            None => unreachable!("a group is of views that stand"),
        }
    }

    /// The indexes of a new view: the declared ones, and those of others on the existing view.
    fn indexes(&self, view: &QualifiedName) -> Vec<Index> {
        let standing = self.relation(view).map(|relation| &relation.indexes);
        let live = |index: &Index| standing.and_then(|standing| standing.get(&index.name)).map(|live| &live.index);
        let declared = self.admitted_indexes(view).map(|declared| {
            let (index, old) = (&declared.object, live(&declared.object));
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
                && !self.is_given_up(&live.index)
                && !live.index.name.as_str().starts_with(BUILDING)
        };
        let strangers = standing.into_iter().flat_map(|standing| standing.values()).filter(is_stranger);
        let strangers: Vec<_> = strangers.map(|live| live.index.clone()).collect();
        declared.into_iter().chain(strangers).collect()
    }

    /// Whether a plan includes an index of a view: by the index's own address, or by that of the view.
    fn is_about(&self, view: &QualifiedName, index: &Address) -> bool {
        let declared = self.view.declared(view);
        declared.is_some_and(|declared| self.context.scope.admits(&declared.object.address()))
            || self.context.scope.admits(index)
    }

    fn admitted_indexes(&self, view: &QualifiedName) -> impl Iterator<Item = &'a Declared<Index>> {
        let declared = self.declared_indexes(view).iter();
        declared.filter(move |declared| self.is_about(view, &declared.object.address()))
    }

    /// Whether an index is managed and no longer declared.
    fn is_given_up(&self, index: &Index) -> bool {
        let address = index.address();
        let is_declared = self.declared_indexes(&index.table).iter().any(|declared| declared.object.name == index.name);
        let registry = self.context.registry;
        let given_up = registry.manages(&address) && !registry.protects(&address);
        !is_declared && given_up && self.is_about(&index.table, &address)
    }

    /// Unmanaged indexes on a view, each with a column that it needs and that the new view will not have.
    pub(super) fn unfit_indexes(&self, view: &QualifiedName) -> Vec<(Ident, Ident)> {
        let Some(columns) = self.printed(view).map(Printed::column_names) else { return Vec::new() };
        let all = self.indexes(view);
        let is_declared =
            |index: &Index| self.declared_indexes(view).iter().any(|declared| declared.object.name == index.name);
        let strangers = all.iter().filter(|index| !is_declared(index));
        let lost = strangers.filter_map(|index| {
            let mut named = index.definition.named_columns().map(|(_, column)| column);
            named.find(|column| !columns.contains(column)).map(|column| (index.name.clone(), column.clone()))
        });
        lost.collect()
    }

    /// What the registry records for a view that is rebuilt, and for its indexes.
    fn records(&self, declared: &Declared<Matview>, view: &Matview) -> Vec<Record> {
        let query: &Query = self.printed(&view.name).map_or(&view.query, |printed| &printed.query);
        let mut records = self.index_records(&view.name);
        records.push(Entry { made: true, ..entry(declared, canonical::definition(query)) }.into());
        records
    }

    /// What the registry records for a managed view that is rebuilt with its old query: it is another relation.
    fn record_of_kept(&self, name: &QualifiedName) -> Option<Record> {
        let address = address(name);
        let before = self.context.registry.managed.get(&address)?;
        // A view that the plan does not include has not been compared with what it reads now.
        let made = self.view.declared(name).is_some() && self.context.scope.admits(&address);
        let (declared, definition, basis) = (before.declared.clone(), before.definition.clone(), before.basis.clone());
        let declaration = before.declaration.clone()?;
        Some(Entry { address, declared, definition, declaration, basis, made }.into())
    }

    /// What the registry records for the indexes of a view that is rebuilt.
    fn index_records(&self, name: &QualifiedName) -> Vec<Record> {
        let indexes = self.admitted_indexes(name).map(|declared| {
            let live = self.relation(name).and_then(|relation| relation.indexes.get(&declared.object.name));
            let recorded = live.filter(|live| self.view.indexes.live.recorded.contains(&live.oid));
            let address = declared.object.address();
            let judged = self.view.indexes.live.canonical.get(&address).unwrap_or(&declared.object.definition);
            let definition = Digest::of(recorded.map_or(judged, |live| &live.index.definition));
            record(declared, definition)
        });
        let is_declared = |address: &Address| {
            self.declared_indexes(name).iter().any(|declared| declared.object.address() == *address)
        };
        let managed = managed(self.context.registry, name).map(|(address, _)| address);
        let goes = |address: &&Address| {
            !is_declared(address) && self.is_about(name, address) && !self.context.registry.protects(address)
        };
        let gone = managed.filter(goes).cloned();
        let gone: Vec<_> = gone.map(|address| Record::Forget { address }).collect();
        indexes.chain(gone).collect()
    }
}

/// The hazards of a rebuild that another view causes.
fn rebuilt(owner: &Ident, of_whom: &Ident) -> HazardSet {
    let external = (owner != of_whom).then_some(Hazard::ExternalReader);
    external.into_iter().chain([Hazard::DependentRebuilt]).collect()
}
