//! Whether a live index is the declared one, and how they differ.

use super::{Definition, Index, LiveIndex, Term};
use crate::{change::ParameterChange, postgres::name::Ident};

/// What must change to make the live index the declared one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing has to change.
    Same,
    /// These properties change in place.
    Alter(Vec<Alteration>),
    /// A new index is needed, because these properties differ.
    Replace(Vec<&'static str>),
}

impl Verdict {
    /// The properties that differ, as part of a sentence.
    #[must_use]
    pub fn differences(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Alter(alterations) => {
                Some(alterations.iter().map(Alteration::property).collect::<Vec<_>>().join(", "))
            }
            Self::Replace(properties) => Some(properties.join(", ")),
        }
    }
}

/// A property that changes in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// Storage parameters.
    Parameters(ParameterChange),
    /// The comment. An empty one removes it.
    Comment(String),
}

impl Alteration {
    fn property(&self) -> &'static str {
        match self {
            Self::Parameters(_) => "with",
            Self::Comment(_) => "comment",
        }
    }
}

/// Compares a live index with a declared one whose definition is in canonical form. Storage parameters, a tablespace and
/// a comment that are not declared are not compared.
#[must_use]
pub fn compare(found: &LiveIndex, declared: &Index, canonical: &Definition, default_tablespace: &str) -> Verdict {
    let live = &found.index;
    let mut differences = differences(&live.definition, canonical);
    if canonical.unique && found.deferrable {
        // It holds at the end of a transaction only, so ON CONFLICT, foreign keys and the planner do not rely on it.
        differences.push("unique (its constraint is deferrable)");
    }
    // The catalogs do not name the database's default tablespace.
    let wanted = declared.tablespace.as_ref().filter(|name| name.as_str() != default_tablespace);
    if declared.tablespace.is_some() && wanted != live.tablespace.as_ref() {
        // Moving it in place would block readers for as long as the copy takes.
        differences.push("tablespace");
    }
    let parameters = declared.with.as_ref().and_then(|with| ParameterChange::between(live.with.as_ref(), with));
    let method = &live.definition.method;
    if parameters.iter().flat_map(ParameterChange::names).any(|name| !works_in_place(method, name)) {
        differences.push("with");
    }
    if !differences.is_empty() {
        return Verdict::Replace(differences);
    }
    let parameters = parameters.map(Alteration::Parameters);
    let comment = declared.comment.as_ref().filter(|wanted| **wanted != live.comment.clone().unwrap_or_default());
    let alterations: Vec<_> =
        parameters.into_iter().chain(comment.map(|comment| Alteration::Comment(comment.clone()))).collect();
    if alterations.is_empty() { Verdict::Same } else { Verdict::Alter(alterations) }
}

fn differences(live: &Definition, declared: &Definition) -> Vec<&'static str> {
    let mut differences = Vec::new();
    let mut note = |differs: bool, what| {
        if differs {
            differences.push(what);
        }
    };
    note(live.method != declared.method, "method");
    note(live.unique != declared.unique, "unique");
    note(live.nulls_not_distinct != declared.nulls_not_distinct, "nulls_not_distinct");
    note(live.columns != declared.columns, "columns");
    note(live.include != declared.include, "include");
    note(live.predicate != declared.predicate, "where");
    differences
}

/// Whether a changed parameter changes what an index does from now on. The others are used only while an index is built
/// (docs/pitfalls.md, "Some index parameters have no effect before a rebuild").
fn works_in_place(method: &Ident, name: &Ident) -> bool {
    match (method.as_str(), name.as_str()) {
        ("btree", "fillfactor" | "deduplicate_items")
        | ("gin", "fastupdate" | "gin_pending_list_limit")
        | ("brin", "autosummarize")
        | ("spgist", "fillfactor") => true,
        (_, _) => false,
    }
}

/// Whether two definitions differ at most in the text of their expressions and predicate.
#[must_use]
pub fn same_shape(a: &Definition, b: &Definition) -> bool {
    a.method == b.method
        && a.unique == b.unique
        && a.nulls_not_distinct == b.nulls_not_distinct
        && a.include == b.include
        && a.predicate.is_some() == b.predicate.is_some()
        && a.columns.len() == b.columns.len()
        && a.columns.iter().zip(&b.columns).all(|(a, b)| {
            let terms = match (&a.term, &b.term) {
                (Term::Column(a), Term::Column(b)) => a == b,
                (Term::Expression(_), Term::Expression(_)) => true,
                (Term::Column(_), Term::Expression(_)) | (Term::Expression(_), Term::Column(_)) => false,
            };
            terms
                && a.collation == b.collation
                && a.opclass == b.opclass
                && a.opclass_parameters == b.opclass_parameters
                && a.order == b.order
                && a.nulls == b.nulls
        })
}
