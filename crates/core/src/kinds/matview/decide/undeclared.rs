//! Managed materialized views that nobody declares any more.

use super::{Change, Decider};
use crate::{
    address::Address,
    kinds::matview::{facts::Found, order, steps::Steps},
    plan::{Action, Record},
    problem::Problem,
};

impl<'a> Decider<'a> {
    pub(super) fn undeclared(&mut self) {
        let mut going: Vec<&'a Found> = Vec::new();
        for address in self.live.registry.managed.keys() {
            let Address::Matview { name } = address else { continue };
            if self.desired.matview(name).is_some() || !self.filter.admits(address) {
                continue;
            }
            let found = self.live.matviews.found.get(name).filter(|found| found.is_matview());
            match (found, self.release.get(address)) {
                (_, Some(reason)) => self.forget(address, reason, found),
                (None, None) => self.forget(address, "it is gone", None),
                (Some(found), None) => going.push(found),
            }
        }
        self.drop_all(&going);
    }

    /// What reads goes before what is read.
    fn drop_all(&mut self, going: &[&'a Found]) {
        let reads: Vec<_> = going.iter().map(|found| (found.name.clone(), found.reads.clone())).collect();
        // Views that exist cannot read each other in a circle.
        let mut names = order::sorted(&reads).unwrap_or_default();
        names.reverse();
        for found in names.iter().filter_map(|name| going.iter().find(|found| found.name == *name)) {
            let goes = |dependent: &String| {
                going.iter().any(|other| *dependent == format!("materialized view {}", other.name.quoted()))
            };
            let staying: Vec<_> = found.dependents.iter().filter(|dependent| !goes(dependent)).cloned().collect();
            self.out.with_indexes.insert(found.name.clone());
            if !staying.is_empty() {
                let message = format!("`{}` is no longer declared, and {} needs it", found.name, staying.join(", "));
                let hint = "drop that first, declare the view again, or `reconcile forget` it";
                self.out.problems.push(Problem::nowhere(message).hint(hint));
                continue;
            }
            let mut steps = self.steps(&found.name);
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
        let steps = Steps::new(self.setting.limits);
        let records = vec![Record::Forget { address: address.clone() }];
        let (action, reason, before) = (Action::Forget, reason.to_owned(), found);
        self.change(address.table(), Change { action, reason, before, after: None, steps, records });
    }
}
