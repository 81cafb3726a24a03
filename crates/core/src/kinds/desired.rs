//! The desired side of all kinds.

use super::{
    index::{DesiredRelation, Index},
    matview::Matview,
    retention::Rule,
};
use crate::{address::Address, declared::Declared, digest::Digest, postgres::cron::Runner};

/// Everything that the project's files ask for, each with the place that asks.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Every relation that stands under `tables:`, and every materialized view, with their indexes.
    pub relations: Vec<DesiredRelation>,
    /// Materialized views, in the order of names.
    pub matviews: Vec<Declared<Matview>>,
    /// Retention rules, in the order of their tables.
    pub rules: Vec<Declared<Rule>>,
    /// Who runs what is due; `None` where the project does not say.
    pub scheduler: Option<Runner>,
    /// Changes when the declarations change in anything but layout.
    pub digest: Digest,
}

impl Desired {
    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(Vec::new(), Vec::new(), Vec::new(), None)
    }

    /// Brings the declarations into one order and takes their digest.
    #[must_use]
    pub fn new(
        mut relations: Vec<DesiredRelation>,
        mut matviews: Vec<Declared<Matview>>,
        mut rules: Vec<Declared<Rule>>,
        scheduler: Option<Runner>,
    ) -> Self {
        rules.sort_by(|a, b| a.object.table.cmp(&b.object.table));
        matviews.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in &mut relations {
            relation.indexes.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        }
        let contents: Vec<_> = relations
            .iter()
            .map(|relation| {
                let indexes: Vec<_> = relation.indexes.iter().map(|i| (i.digest.as_str(), i.protect)).collect();
                (&relation.name, relation.prune, indexes)
            })
            .collect();
        let of_rules: Vec<_> = rules.iter().map(|rule| rule.digest.as_str()).collect();
        let mut digest = Digest::of(&(contents, of_rules));
        // What a project has none of leaves the digest as it was before there could be any.
        if !matviews.is_empty() {
            let of_views: Vec<_> = matviews.iter().map(|view| view.digest.as_str()).collect();
            digest = Digest::of(&(digest, of_views));
        }
        if scheduler.is_some() {
            digest = Digest::of(&(digest, scheduler));
        }
        Self { relations, matviews, rules, scheduler, digest }
    }

    /// Every declared index.
    pub fn indexes(&self) -> impl Iterator<Item = &Declared<Index>> {
        self.relations.iter().flat_map(|relation| &relation.indexes)
    }

    /// The addresses of all that is declared by itself; jobs follow from other objects.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let indexes = self.indexes().map(|declared| declared.object.address());
        let views = self.matviews.iter().map(|declared| declared.object.address());
        indexes.chain(views).chain(self.rules.iter().map(|declared| declared.object.address()))
    }

    /// The addresses of what is protected.
    pub fn protected(&self) -> impl Iterator<Item = Address> {
        self.indexes().filter(|declared| declared.protect).map(|declared| declared.object.address())
    }
}
