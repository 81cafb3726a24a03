//! The texts of the files that were read. `locate` finds places in them, and `render` shows them.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use reconcile_core::source::FileId;

use crate::tree::Tree;

/// The texts of the files that were read, to show problems in.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub(crate) files: Vec<Arc<File>>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path as the user would type it.
    pub(crate) name: String,
    /// Where it was read from.
    pub(crate) path: PathBuf,
    /// Its text; empty if it could not be read.
    pub(crate) text: String,
    tree: OnceLock<Tree>,
    line_starts: OnceLock<Vec<usize>>,
}

impl File {
    pub(crate) fn new(name: String, path: PathBuf, text: String) -> Self {
        Self { name, path, text, tree: OnceLock::new(), line_starts: OnceLock::new() }
    }

    /// Its nodes, which are parsed when a problem is shown for the first time.
    pub(crate) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::parse(&self.text))
    }

    /// The line and column of a byte. Both count from 1, the column in characters.
    pub(crate) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let starts = self.line_starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= offset);
        let before = self.text.get(starts[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

impl Files {
    pub(crate) fn get(&self, file: FileId) -> Option<&File> {
        self.files.get(usize::try_from(file.0).ok()?).map(Arc::as_ref)
    }

    /// Adds a file and gives it its number.
    pub(crate) fn add(&mut self, file: File) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Arc::new(file));
        id
    }

    /// The paths of the files, in the order of their numbers, as the user would type them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }
}
