//! The declared side: everything that the project's files ask for, each with the place that asks.

use crate::{
    digest::Digest,
    kinds::{
        index::{Index, spec::Lowered},
        matview::Matview,
        retention::Rule,
        schedule::Scheduler,
    },
    postgres::name::QualifiedName,
    source::Source,
};

/// All that is declared, in the order of relation names.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Every relation that stands under `tables:`.
    pub relations: Vec<DesiredRelation>,
    /// Materialized views, in the order of names. Their indexes are among those of the relations.
    pub matviews: Vec<DeclaredMatview>,
    /// Retention rules, in the order of their tables.
    pub rules: Vec<DeclaredRule>,
    /// Who runs what is due; `None` where the project does not say.
    pub scheduler: Option<Scheduler>,
    /// Changes when the declarations change in anything but layout.
    pub digest: Digest,
}

/// What is declared about one relation.
#[derive(Clone, Debug)]
pub struct DesiredRelation {
    /// Which relation.
    pub name: QualifiedName,
    /// Where it stands under `tables:`; with several files, the first.
    pub at: Source,
    /// Whether its undeclared indexes are dropped.
    pub prune: bool,
    /// Its indexes, in the order of names.
    pub indexes: Vec<DeclaredIndex>,
}

/// A declared index.
#[derive(Clone, Debug)]
pub struct DeclaredIndex {
    /// What is declared, expressions as written.
    pub index: Index,
    /// Never dropped or replaced.
    pub protect: bool,
    /// Its value in the YAML.
    pub at: Source,
    /// That value is the list of its columns alone.
    pub short: bool,
    /// Of the declaration, to see whether it changed since it was applied.
    pub digest: Digest,
}

/// A declared materialized view.
#[derive(Clone, Debug)]
pub struct DeclaredMatview {
    /// What is declared, the query as written; without its indexes.
    pub view: Matview,
    /// Its value in the YAML.
    pub at: Source,
    /// The node, or the file, whose text is the query.
    pub query_at: Source,
    /// Of the view, to see whether it changed since it was applied.
    pub digest: Digest,
}

impl DeclaredMatview {
    /// Takes the digest of what is declared.
    #[must_use]
    pub fn new(view: Matview, at: Source, query_at: Source) -> Self {
        let digest = Digest::of(&view);
        Self { view, at, query_at, digest }
    }
}

/// A declared retention rule.
#[derive(Clone, Debug)]
pub struct DeclaredRule {
    /// The rule.
    pub rule: Rule,
    /// Its value in the YAML.
    pub at: Source,
    /// Of the rule.
    pub digest: Digest,
}

impl DeclaredRule {
    /// Takes the digest of what is declared.
    #[must_use]
    pub fn new(rule: Rule, at: Source) -> Self {
        let digest = Digest::of(&rule);
        Self { rule, at, digest }
    }
}

impl DeclaredIndex {
    /// Takes the digest of what is declared.
    #[must_use]
    pub fn new(lowered: Lowered, at: Source) -> Self {
        let Lowered { index, protect, short } = lowered;
        let digest = Digest::of(&index);
        Self { index, protect, at, short, digest }
    }

    /// The place of one of its key columns, from 0.
    #[must_use]
    pub fn column_at(&self, position: usize) -> Source {
        if self.short { self.at.item(position) } else { self.at.key("columns").item(position) }
    }
}

impl Desired {
    /// Brings the declarations into one order and takes their digest.
    #[must_use]
    pub fn new(mut relations: Vec<DesiredRelation>, mut rules: Vec<DeclaredRule>) -> Self {
        rules.sort_by(|a, b| a.rule.table.cmp(&b.rule.table));
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in &mut relations {
            relation.indexes.sort_by(|a, b| a.index.name.cmp(&b.index.name));
        }
        let contents: Vec<_> = relations
            .iter()
            .map(|relation| {
                let indexes: Vec<_> = relation.indexes.iter().map(|i| (i.digest.as_str(), i.protect)).collect();
                (&relation.name, relation.prune, indexes)
            })
            .collect();
        let of_rules: Vec<_> = rules.iter().map(|rule| rule.digest.as_str()).collect();
        let digest = Digest::of(&(contents, of_rules));
        Self { relations, matviews: Vec::new(), rules, scheduler: None, digest }
    }

    /// The same, with materialized views.
    #[must_use]
    pub fn with_matviews(mut self, mut matviews: Vec<DeclaredMatview>) -> Self {
        matviews.sort_by(|a, b| a.view.name.cmp(&b.view.name));
        if !matviews.is_empty() {
            let contents: Vec<_> = matviews.iter().map(|view| view.digest.as_str()).collect();
            self.digest = Digest::of(&(&self.digest, contents));
        }
        self.matviews = matviews;
        self
    }

    /// The same, run by somebody.
    #[must_use]
    pub fn scheduled_by(mut self, scheduler: Option<Scheduler>) -> Self {
        if scheduler != self.scheduler {
            self.digest = Digest::of(&(&self.digest, scheduler));
            self.scheduler = scheduler;
        }
        self
    }

    /// What is declared about a relation.
    #[must_use]
    pub fn relation(&self, name: &QualifiedName) -> Option<&DesiredRelation> {
        let position = self.relations.binary_search_by(|relation| relation.name.cmp(name)).ok()?;
        self.relations.get(position)
    }

    /// The materialized view of a name.
    #[must_use]
    pub fn matview(&self, name: &QualifiedName) -> Option<&DeclaredMatview> {
        let position = self.matviews.binary_search_by(|declared| declared.view.name.cmp(name)).ok()?;
        self.matviews.get(position)
    }

    /// The rule of a table.
    #[must_use]
    pub fn rule(&self, table: &QualifiedName) -> Option<&DeclaredRule> {
        let position = self.rules.binary_search_by(|declared| declared.rule.table.cmp(table)).ok()?;
        self.rules.get(position)
    }

    /// Every declared index.
    pub fn indexes(&self) -> impl Iterator<Item = &DeclaredIndex> {
        self.relations.iter().flat_map(|relation| &relation.indexes)
    }
}
