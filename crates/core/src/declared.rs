//! An object as the project's files declare it, with its place in the files.

use serde::Serialize;

use crate::{digest::Digest, source::Source};

/// A declared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared<O> {
    /// The declared object; its SQL is as written.
    pub object: O,
    /// Whether it must never be dropped or replaced.
    pub protect: bool,
    /// The place of its value in the YAML.
    pub at: Source,
    /// Where its main part is: the columns of an index, the query of a view.
    pub body: Body,
    /// The digest of the object, to see whether the declaration changed since it was applied.
    pub digest: Digest,
}

/// Where the main part of a declaration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The value itself is the main part.
    Whole,
    /// A key of the value, such as `columns` or `query`.
    Key(&'static str),
    /// In another place, such as a file beside the YAML.
    Elsewhere(Source),
}

impl<O: Serialize> Declared<O> {
    /// Combines an object with its digest.
    #[must_use]
    pub fn new(object: O, at: Source, body: Body) -> Self {
        let digest = Digest::of(&object);
        Self { object, protect: false, at, body, digest }
    }

    /// An object that no file declares: it comes from the registry, or from before a run.
    #[must_use]
    pub fn nowhere(object: O) -> Self {
        Self::new(object, Source::nowhere(), Body::Whole)
    }
}

impl<O> Declared<O> {
    /// The place of its main part.
    #[must_use]
    pub fn body_at(&self) -> Source {
        match &self.body {
            Body::Whole => self.at.clone(),
            Body::Key(key) => self.at.key(key),
            Body::Elsewhere(source) => source.clone(),
        }
    }
}
