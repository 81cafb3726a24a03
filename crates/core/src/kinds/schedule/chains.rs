//! Which views one job refreshes: views with the same schedule that read each other, directly or not, make a chain.
//! `wanted` checks whether `pg_cron` can run it.

use crate::{
    declared::Declared,
    kind::Context,
    kinds::matview::{Matview, View, canonical, order},
    postgres::name::QualifiedName,
    registry::Registry,
};

/// The materialized views that will exist after the plan, ordered by name, each with the other views that it reads.
#[derive(Debug)]
pub(super) struct InForce {
    views: Vec<Declared<Matview>>,
    reads: Vec<(QualifiedName, Vec<QualifiedName>)>,
}

/// The views of one job, in the order of dependencies.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// Their common cron expression.
    pub(super) schedule: &'a str,
    pub(super) views: Vec<&'a Declared<Matview>>,
}

impl InForce {
    /// The declared views, and for those that the plan leaves out, the applied ones.
    pub(super) fn of(context: Context<'_>, view: View<'_>) -> Self {
        let scope = context.scope;
        let declared = view.desired.iter().filter(|declared| scope.admits(&declared.object.address())).cloned();
        let applied = view.live.applied.values().filter(|applied| !scope.admits(&applied.address()));
        let mut views: Vec<_> = declared.chain(applied.map(|applied| Declared::nowhere(applied.clone()))).collect();
        views.retain(|declared| scope.released(&declared.object.address()).is_none());
        views.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        let mut reads = order::reads(&views, view.live, &context.session.search_path);
        for ((_, read), declared) in reads.iter_mut().zip(&views) {
            read.extend(as_found(declared, view, context.registry).iter().cloned());
            read.retain(|name| views.iter().any(|other| other.object.name == *name));
            read.sort();
            read.dedup();
        }
        Self { views, reads }
    }

    /// The chains, ordered by schedule and first name.
    pub(super) fn chains(&self) -> Vec<Chain<'_>> {
        let mut groups: Vec<(&str, Vec<&Declared<Matview>>)> = Vec::new();
        for view in &self.views {
            let Some(schedule) = view.object.schedule() else { continue };
            let meets = |(other, members): &(&str, Vec<&Declared<Matview>>)| {
                *other == schedule && members.iter().any(|member| self.reads(view, member) || self.reads(member, view))
            };
            let (met, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(meets);
            let members = met.into_iter().flat_map(|(_, members)| members).chain([view]).collect();
            apart.push((schedule, members));
            groups = apart;
        }
        groups.sort_by(|a, b| {
            a.0.cmp(b.0).then_with(|| a.1.first().map(|view| name(view)).cmp(&b.1.first().map(|view| name(view))))
        });
        groups.into_iter().map(|(schedule, members)| Chain { schedule, views: self.in_order(members) }).collect()
    }

    /// Views that read others with another schedule.
    pub(super) fn out_of_step(&self) -> impl Iterator<Item = (&Declared<Matview>, &Declared<Matview>)> {
        let differ = |a: &Declared<Matview>, b: &Declared<Matview>| {
            a.object.schedule().is_some() && b.object.schedule().is_some() && a.object.schedule() != b.object.schedule()
        };
        let pairs = self.views.iter().flat_map(|reader| self.views.iter().map(move |read| (reader, read)));
        pairs.filter(move |(reader, read)| differ(reader, read) && self.reads(reader, read))
    }

    fn reads(&self, reader: &Declared<Matview>, read: &Declared<Matview>) -> bool {
        let of = self.reads.binary_search_by(|(name, _)| name.cmp(&reader.object.name)).ok();
        let names = of.and_then(|position| self.reads.get(position)).map(|(_, names)| names.as_slice());
        names.is_some_and(|names| names.binary_search(&read.object.name).is_ok())
    }

    fn in_order<'a>(&self, mut members: Vec<&'a Declared<Matview>>) -> Vec<&'a Declared<Matview>> {
        members.sort_by_key(|member| name(member));
        let is_member = |name: &QualifiedName| members.iter().any(|member| member.object.name == *name);
        let reads: Vec<_> = self.reads.iter().filter(|(name, _)| is_member(name)).cloned().collect();
        // A circle does not make a chain; the plan for the views reports it.
        let names = order::sorted(&reads).unwrap_or_default();
        names.iter().filter_map(|name| members.iter().find(|member| member.object.name == *name).copied()).collect()
    }
}

fn name(declared: &Declared<Matview>) -> &QualifiedName {
    &declared.object.name
}

/// What a view reads according to the catalogs, if it is as declared.
fn as_found<'a>(declared: &Declared<Matview>, view: View<'a>, registry: &Registry) -> &'a [QualifiedName] {
    let name = &declared.object.name;
    let Some(found) = view.live.found.get(name).filter(|found| found.is_matview()) else { return &[] };
    let printed = view.live.printed.get(name).is_some_and(|printed| printed.query == found.query());
    if printed || canonical::settled(declared, view, registry).is_some() { &found.reads } else { &[] }
}
