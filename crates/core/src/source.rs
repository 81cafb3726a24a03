//! Where a thing was declared in the YAML, as a path from the root of its file. The `config` crate finds lines and
//! columns, only when a problem is shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A step from a YAML node to one below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Segment {
    /// The value under this key.
    Key(Arc<str>),
    /// The item at this position, from 0.
    Item(usize),
}

/// The number of a file in the project that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A node of a YAML file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The file.
    pub file: FileId,
    /// The path from the file's root to the node.
    pub path: Arc<[Segment]>,
}

impl Source {
    /// The place of what no file declares: it comes from the registry, or from before a run.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::file(FileId(u32::MAX))
    }

    /// The root of a file.
    #[must_use]
    pub fn file(file: FileId) -> Self {
        Self { file, path: Arc::from([]) }
    }

    /// The value under `key` of this node.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.below(Segment::Key(key.into()))
    }

    /// The item `position` of this node, from 0.
    #[must_use]
    pub fn item(&self, position: usize) -> Self {
        self.below(Segment::Item(position))
    }

    fn below(&self, segment: Segment) -> Self {
        Self { file: self.file, path: self.path.iter().cloned().chain([segment]).collect() }
    }
}
