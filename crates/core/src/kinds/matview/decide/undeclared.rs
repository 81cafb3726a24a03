//! Managed materialized views that nobody declares any more.

use super::{Change, Decider};
use crate::{
    address::Address,
    kinds::matview::{catalog::Found, dependents::Dependent, group, order, steps::Steps},
    plan::{Action, Record},
    postgres::name::QualifiedName,
    problem::Problem,
};

impl<'a> Decider<'a> {
    /// Managed ones that nobody declares any more and that are there: those that read what is replaced, and the others.
    pub(super) fn going(&self) -> (Vec<&'a Found>, Vec<&'a Found>) {
        let views = self.live.registry.managed.keys().filter_map(|address| match address {
            Address::Matview { name } => Some(name),
            Address::Index { .. } | Address::Retention { .. } | Address::Schedule { .. } => None,
        });
        let going = views.filter(|name| self.goes(name)).filter_map(|name| self.standing(name));
        let dependents: Vec<_> = self.live.matviews.dependents.iter().filter_map(Dependent::matview).collect();
        going.partition(|found| dependents.iter().any(|reader| reader.name == found.name))
    }

    /// Strikes those from the registry that are gone, or are to be left alone.
    pub(super) fn forgotten(&mut self) {
        for address in self.live.registry.managed.keys() {
            let Address::Matview { name } = address else { continue };
            if self.desired.matview(name).is_some() || !self.bounds.filter.admits(address) {
                continue;
            }
            let found = self.standing(name);
            match (found, self.bounds.release.get(address)) {
                (_, Some(reason)) => self.forget(address, reason, found),
                (None, None) => self.forget(address, "it is gone", None),
                (Some(_), None) => {}
            }
        }
    }

    fn standing(&self, name: &QualifiedName) -> Option<&'a Found> {
        self.live.matviews.found.get(name).filter(|found| found.is_matview())
    }

    pub(super) fn goes(&self, name: &QualifiedName) -> bool {
        group::goes(name, self.desired, self.live, self.bounds)
    }

    /// Decision reads goes before what is read. `others` go as well, at another time.
    pub(super) fn drop_all(&mut self, going: &[&'a Found], others: &[&'a Found]) {
        let reads: Vec<_> = going.iter().map(|found| (found.name.clone(), found.reads.clone())).collect();
        // Views that exist cannot read each other in a circle.
        let mut names = order::sorted(&reads).unwrap_or_default();
        names.reverse();
        for found in names.iter().filter_map(|name| going.iter().find(|found| found.name == *name)) {
            let goes = |dependent: &String| {
                going
                    .iter()
                    .chain(others)
                    .any(|other| *dependent == format!("materialized view {}", other.name.quoted()))
            };
            let leftovers = self.leftovers(&[&found.name]);
            let is_left = |dependent: &String| {
                leftovers.iter().any(|left| *dependent == format!("materialized view {}", left.name.quoted()))
            };
            let staying = found.dependents.iter().filter(|dependent| !goes(dependent) && !is_left(dependent));
            let staying: Vec<_> = staying.cloned().collect();
            self.out.with_indexes.insert(found.name.clone());
            if !staying.is_empty() {
                let message = format!("`{}` is no longer declared, and {} needs it", found.name, staying.join(", "));
                let hint = "drop that first, declare the view again, or `reconcile forget` it";
                self.out.problems.push(Problem::nowhere(message).hint(hint).refusal());
                continue;
            }
            let mut steps = self.steps(&[&found.name]);
            steps.drop(&found.view(self.relation(&found.name)));
            let indexes = self.live.registry.indexes_of(&found.name).map(|(address, _)| address.clone());
            let addresses = indexes.chain([Address::matview(&found.name)]);
            let records = addresses.map(|address| Record::Forget { address }).collect();
            let reason = "it is no longer declared".to_owned();
            let (action, before) = (Action::Drop, Some(*found));
            self.change(&found.name, Change { action, reason, before, after: None, steps, records });
        }
    }

    /// Strikes it from the registry; it stays, if it is there.
    pub(super) fn forget(&mut self, address: &Address, reason: &str, found: Option<&Found>) {
        let steps = Steps::new(self.setting.limits, &self.setting.session.search_path);
        let records = vec![Record::Forget { address: address.clone() }];
        let (action, reason, before) = (Action::Forget, reason.to_owned(), found);
        self.change(address.table(), Change { action, reason, before, after: None, steps, records });
    }
}
