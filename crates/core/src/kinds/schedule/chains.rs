//! Which views one job refreshes: those of one schedule that are connected by reading each other make a chain. Whether
//! `pg_cron` is there to run it is left to `wanted`.

use crate::{
    desired::{DeclaredMatview, Desired},
    kinds::matview::{canonical, order},
    live::Live,
    postgres::name::{Ident, QualifiedName},
    scope::{Filter, Release},
    source::{FileId, Source},
};

/// The materialized views that there are once a plan is carried out, in the order of names, with what each reads of the
/// others.
#[derive(Debug)]
pub(super) struct InForce {
    views: Vec<DeclaredMatview>,
    reads: Vec<(QualifiedName, Vec<QualifiedName>)>,
}

/// Views of one job, in an order in which all that is read comes first.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// When they are refreshed.
    pub(super) schedule: &'a str,
    pub(super) views: Vec<&'a DeclaredMatview>,
}

/// What was applied and takes no part in the plan stands in no file that is read now.
const NOWHERE: FileId = FileId(u32::MAX);

impl InForce {
    /// Those that are declared, and of what takes no part in the plan those that were applied.
    pub(super) fn of(
        desired: &Desired,
        live: &Live,
        filter: &Filter,
        release: &Release,
        search_path: &[Ident],
    ) -> Self {
        let declared = desired.matviews.iter().filter(|declared| filter.admits(&declared.view.address())).cloned();
        let applied = live.registry.matviews.values().filter(|view| !filter.admits(&view.address()));
        let applied =
            applied.map(|view| DeclaredMatview::new(view.clone(), Source::file(NOWHERE), Source::file(NOWHERE)));
        let mut views: Vec<_> = declared.chain(applied).collect();
        views.retain(|declared| !release.contains_key(&declared.view.address()));
        views.sort_by(|a, b| a.view.name.cmp(&b.view.name));
        let mut reads = order::reads(&views, live, search_path);
        for ((_, read), declared) in reads.iter_mut().zip(&views) {
            read.extend(as_found(declared, live).iter().cloned());
            read.retain(|name| views.iter().any(|other| other.view.name == *name));
            read.sort();
            read.dedup();
        }
        Self { views, reads }
    }

    /// The chains, in the order of their schedules and first names.
    pub(super) fn chains(&self) -> Vec<Chain<'_>> {
        let mut groups: Vec<(&str, Vec<&DeclaredMatview>)> = Vec::new();
        for view in &self.views {
            let Some(schedule) = view.view.schedule() else { continue };
            let meets = |(other, members): &(&str, Vec<&DeclaredMatview>)| {
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

    /// Views that read others which are refreshed at other times.
    pub(super) fn out_of_step(&self) -> impl Iterator<Item = (&DeclaredMatview, &DeclaredMatview)> {
        let differ = |a: &DeclaredMatview, b: &DeclaredMatview| {
            a.view.schedule().is_some() && b.view.schedule().is_some() && a.view.schedule() != b.view.schedule()
        };
        let pairs = self.views.iter().flat_map(|reader| self.views.iter().map(move |read| (reader, read)));
        pairs.filter(move |(reader, read)| differ(reader, read) && self.reads(reader, read))
    }

    fn reads(&self, reader: &DeclaredMatview, read: &DeclaredMatview) -> bool {
        let of = self.reads.binary_search_by(|(name, _)| name.cmp(&reader.view.name)).ok();
        let names = of.and_then(|position| self.reads.get(position)).map(|(_, names)| names.as_slice());
        names.is_some_and(|names| names.binary_search(&read.view.name).is_ok())
    }

    fn in_order<'a>(&self, mut members: Vec<&'a DeclaredMatview>) -> Vec<&'a DeclaredMatview> {
        members.sort_by_key(|member| name(member));
        let is_member = |name: &QualifiedName| members.iter().any(|member| member.view.name == *name);
        let reads: Vec<_> = self.reads.iter().filter(|(name, _)| is_member(name)).cloned().collect();
        // A circle is no chain; whoever decides about the views says so.
        let names = order::sorted(&reads).unwrap_or_default();
        names.iter().filter_map(|name| members.iter().find(|member| member.view.name == *name).copied()).collect()
    }
}

fn name(declared: &DeclaredMatview) -> &QualifiedName {
    &declared.view.name
}

/// What a view reads by the catalogs, where it is as declared.
fn as_found<'a>(declared: &DeclaredMatview, live: &'a Live) -> &'a [QualifiedName] {
    let name = &declared.view.name;
    let Some(found) = live.matviews.found.get(name).filter(|found| found.is_matview()) else { return &[] };
    let printed = live.matviews.printed.get(name).is_some_and(|printed| printed.query == found.query());
    if printed || canonical::settled(declared, live).is_some() { &found.reads } else { &[] }
}
