//! The declared side of all kinds.

use super::{
    index::{DesiredRelation, Index},
    matview::Matview,
    retention::Rule,
};
use std::ops::Deref;

use crate::{address::Address, declared::Declared, digest::Digest, postgres::cron::Runner};

/// The declarations of all kinds.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    /// All relations under `tables:` and all materialized views, with their indexes.
    pub relations: Vec<DesiredRelation>,
    /// Materialized views.
    pub matviews: Vec<Declared<Matview>>,
    /// Retention rules.
    pub rules: Vec<Declared<Rule>>,
    /// Who runs the work that is due; `None` if the project does not say.
    pub scheduler: Option<Runner>,
}

/// Everything that the project's files declare, with its places, in the order of names.
#[derive(Clone, Debug)]
pub struct Desired {
    declarations: Declarations,
    /// The digest of the declarations. The layout of the files does not change it.
    pub digest: Digest,
}

impl Deref for Desired {
    type Target = Declarations;

    fn deref(&self) -> &Declarations {
        &self.declarations
    }
}

impl Desired {
    /// Sorts the declarations and computes their digest.
    #[must_use]
    pub fn new(mut declarations: Declarations) -> Self {
        let Declarations { relations, matviews, rules, scheduler } = &mut declarations;
        rules.sort_by(|a, b| a.object.table.cmp(&b.object.table));
        matviews.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in relations.iter_mut() {
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
        // An empty list does not enter the digest, so that the digest is the same as in versions without that kind.
        if !matviews.is_empty() {
            let of_views: Vec<_> = matviews.iter().map(|view| view.digest.as_str()).collect();
            digest = Digest::of(&(digest, of_views));
        }
        if scheduler.is_some() {
            digest = Digest::of(&(digest, scheduler));
        }
        Self { declarations, digest }
    }

    /// All declared indexes.
    pub fn indexes(&self) -> impl Iterator<Item = &Declared<Index>> {
        self.relations.iter().flat_map(|relation| &relation.indexes)
    }

    /// The addresses of all declared objects; jobs are not declared by themselves.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let indexes = self.indexes().map(|declared| declared.object.address());
        let views = self.matviews.iter().map(|declared| declared.object.address());
        indexes.chain(views).chain(self.rules.iter().map(|declared| declared.object.address()))
    }

    /// The addresses of protected objects.
    pub fn protected(&self) -> impl Iterator<Item = Address> {
        self.indexes().filter(|declared| declared.protect).map(|declared| declared.object.address())
    }
}
