//! An object as the project's files declare it, with the place that declares it.

use serde::Serialize;

use crate::{digest::Digest, source::Source};

/// A declared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared<O> {
    /// What is declared; SQL as written.
    pub object: O,
    /// Never dropped or replaced.
    pub protect: bool,
    /// Its value in the YAML.
    pub at: Source,
    /// Where its main part stands: the columns of an index, the query of a view.
    pub body: Body,
    /// Of the object, to see whether it changed since it was applied.
    pub digest: Digest,
}

/// Where the main part of a declaration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The value itself is it.
    Whole,
    /// Under a key of the value: `columns`, `query`.
    Key(&'static str),
    /// Somewhere else, such as a file beside the YAML.
    Elsewhere(Source),
}

impl<O: Serialize> Declared<O> {
    /// Takes the digest of what is declared.
    #[must_use]
    pub fn new(object: O, at: Source, body: Body) -> Self {
        let digest = Digest::of(&object);
        Self { object, protect: false, at, body, digest }
    }

    /// The same, declared in no file: what stands in the registry, or stood before a run.
    #[must_use]
    pub fn nowhere(object: O) -> Self {
        Self::new(object, Source::nowhere(), Body::Whole)
    }
}

impl<O> Declared<O> {
    /// Where its main part stands.
    #[must_use]
    pub fn body_at(&self) -> Source {
        match &self.body {
            Body::Whole => self.at.clone(),
            Body::Key(key) => self.at.key(key),
            Body::Elsewhere(source) => source.clone(),
        }
    }
}
