//! The differences between a live materialized view and a declared one, except its query. All of them change in place.

use super::{Matview, grant_diff::GrantChange};
use crate::{change::ParameterChange, postgres::name::Ident};

/// A property that changes in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// Storage parameters.
    Parameters(ParameterChange),
    /// The tablespace.
    Tablespace(Ident),
    /// The comment; an empty one removes it.
    Comment(String),
    /// The rights of others than the owner.
    Grants(Vec<GrantChange>),
}

impl Alteration {
    /// The key in YAML.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Parameters(_) => "with",
            Self::Tablespace(_) => "tablespace",
            Self::Comment(_) => "comment",
            Self::Grants(_) => "grants",
        }
    }
}

/// The alterations that change the live view into the declared one, except rights. What is not declared does not count
/// as a difference.
#[must_use]
pub fn alterations(live: &Matview, declared: &Matview, default_tablespace: &str) -> Vec<Alteration> {
    let parameters = declared.with.as_ref().and_then(|with| ParameterChange::between(live.with.as_ref(), with));
    let parameters = parameters.map(Alteration::Parameters);
    // The catalogs do not name the database's default tablespace.
    let wanted = declared
        .tablespace
        .as_ref()
        .filter(|name| live.tablespace.as_ref().map_or(default_tablespace, Ident::as_str) != name.as_str());
    let tablespace = wanted.map(|name| Alteration::Tablespace(name.clone()));
    let comment = declared.comment.as_ref().filter(|wanted| **wanted != live.comment.clone().unwrap_or_default());
    let comment = comment.map(|comment| Alteration::Comment(comment.clone()));
    parameters.into_iter().chain(tablespace).chain(comment).collect()
}
