//! Managed materialized views that are no longer declared.

use super::{Change, Decider};
use crate::{
    address::Address,
    change::{Action, Note, Record},
    kind::Kind as _,
    kinds::{
        index::{managed, protected},
        matview::{Matviews, address, catalog::Found, dependents::Dependent, group, order, steps::Steps},
    },
    postgres::name::QualifiedName,
    problem::Problem,
};

impl<'a> Decider<'a> {
    /// The existing ones among them: those that read what is replaced, and the others.
    pub(super) fn going(&self) -> (Vec<&'a Found>, Vec<&'a Found>) {
        let views = self.context.registry.of_kind(Matviews::NAME).map(|(address, _)| address.relation());
        let going = views.filter(|name| self.goes(name)).filter_map(|name| self.standing(name));
        let dependents: Vec<_> = self.view.live.dependents.iter().filter_map(Dependent::matview).collect();
        going.partition(|found| dependents.iter().any(|reader| reader.name == found.name))
    }

    /// Removes those from the registry that do not exist or must not be dropped.
    pub(super) fn forgotten(&mut self) {
        for (address, _) in self.context.registry.of_kind(Matviews::NAME) {
            let name = address.relation();
            if self.view.declared(name).is_some() || !self.context.scope.admits(address) {
                continue;
            }
            let found = self.standing(name);
            match (found, self.context.scope.released(address)) {
                (_, Some(reason)) => self.forget(address, reason, found),
                (None, None) => self.forget(address, "it does not exist any more", None),
                (Some(_), None) => {
                    let index = protected(self.context.registry, name);
                    let text = index.map(|index| {
                        format!(
                            "protected: it stays with its index `{index}`, although it is no longer declared; to drop it, \
                             declare both with `protect: false` and apply, then remove the declarations"
                        )
                    });
                    self.out.notes.extend(text.map(|text| Note::new(address.clone(), text)));
                }
            }
        }
    }

    fn standing(&self, name: &QualifiedName) -> Option<&'a Found> {
        self.view.live.found.get(name).filter(|found| found.is_matview())
    }

    pub(super) fn goes(&self, name: &QualifiedName) -> bool {
        group::goes(name, self.view, self.context)
    }

    /// Drops views before those that they read. `others` are dropped as well, at another time.
    pub(super) fn drop_all(&mut self, going: &[&'a Found], others: &[&'a Found]) {
        let reads: Vec<_> = going.iter().map(|found| (found.name.clone(), found.reads.clone())).collect();
        // Existing views cannot read each other in a circle.
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
            self.out.projects.take_indexes_along(&found.name);
            if !staying.is_empty() {
                let message = format!("`{}` is no longer declared, and {} needs it", found.name, staying.join(", "));
                let hint = "drop that first, declare the view again, or `reconcile forget` it";
                self.out.problems.push(Problem::nowhere(message).hint(hint).refusal());
                continue;
            }
            let mut steps = self.steps(&[&found.name]);
            steps.drop(&found.view(self.relation(&found.name)));
            let indexes = managed(self.context.registry, &found.name).map(|(address, _)| address.clone());
            let addresses = indexes.chain([address(&found.name)]);
            let records = addresses.map(|address| Record::Forget { address }).collect();
            let reason = "it is no longer declared".to_owned();
            let (action, before) = (Action::Drop, Some(*found));
            self.change(&found.name, Change { action, reason, before, after: None, steps, records });
        }
    }

    /// Removes a view from the registry; the view itself stays if it exists.
    pub(super) fn forget(&mut self, address: &Address, reason: &str, found: Option<&Found>) {
        let steps = Steps::new(self.context.limits, &self.context.session.search_path);
        let records = vec![Record::Forget { address: address.clone() }];
        let (action, reason, before) = (Action::Forget, reason.to_owned(), found);
        self.change(address.relation(), Change { action, reason, before, after: None, steps, records });
    }
}
