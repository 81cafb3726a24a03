//! When a live index is the declared one, and what lies between them when it is not.

use super::{Definition, Index, Term};
use crate::postgres::{name::Ident, parameters::Parameters};

/// What it takes to make the live index the declared one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Same,
    /// Properties that change in place.
    Alter(Vec<Alteration>),
    /// A new index; the names of the properties that differ.
    Replace(Vec<&'static str>),
}

/// A property that changes in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// Storage parameters to set and to reset.
    Parameters {
        /// New values.
        set: Parameters,
        /// Back to the default.
        reset: Vec<Ident>,
    },
    /// The comment; empty removes it.
    Comment(String),
}

/// Compares a live index with a declared one whose definition is in canonical form. What is not declared
/// (storage parameters, tablespace, comment) is no difference.
#[must_use]
pub fn compare(live: &Index, declared: &Index, canonical: &Definition, default_tablespace: &str) -> Verdict {
    let mut differences = differences(&live.definition, canonical);
    // The catalogs do not name the database's default tablespace.
    let wanted = declared.tablespace.as_ref().filter(|name| name.as_str() != default_tablespace);
    if declared.tablespace.is_some() && wanted != live.tablespace.as_ref() {
        // Moving it in place would block readers for as long as the copy takes.
        differences.push("tablespace");
    }
    if !differences.is_empty() {
        return Verdict::Replace(differences);
    }
    let parameters = declared.with.as_ref().and_then(|with| parameters_between(live.with.as_ref(), with));
    let parameters = parameters.map(|(set, reset)| Alteration::Parameters { set, reset });
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

/// The parameters to set and to reset; `None` where nothing differs.
pub(crate) fn parameters_between(live: Option<&Parameters>, declared: &Parameters) -> Option<(Parameters, Vec<Ident>)> {
    let none = Parameters::new();
    let live = live.unwrap_or(&none);
    let set: Parameters = declared
        .iter()
        .filter(|(name, value)| live.get(*name).is_none_or(|present| settled(present) != settled(value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let reset: Vec<_> = live.keys().filter(|name| !declared.contains_key(*name)).cloned().collect();
    if set.is_empty() && reset.is_empty() { None } else { Some((set, reset)) }
}

/// One spelling for the booleans that PostgreSQL stores as they were written.
fn settled(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "on".to_owned(),
        "false" | "no" | "off" => "off".to_owned(),
        other => other.to_owned(),
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
