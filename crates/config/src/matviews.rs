//! Collects the declared materialized views: each once, with its query from the YAML or from the file that it names.
//! What they mean is left to `core`. Their indexes go to the list of all indexes.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
};

use reconcile_core::{
    declared::{Body, Declared},
    kinds::{
        index::spec::IndexSpec,
        matview::{
            Matview,
            spec::{Written, lower},
        },
    },
    postgres::name::QualifiedName,
    problem::Problem,
    source::{FileId, Source},
};

use crate::shape::{Entries, ViewSpec};

/// A file with a query, beside the YAML.
pub(crate) struct QueryFile {
    /// Its number in the project, and its text. `None` if it cannot be read, which has been reported.
    pub(crate) read: Option<(FileId, String)>,
}

/// Reads a file with a query. The caller passes it in, so that this module does not access the disk.
pub(crate) type ReadQuery<'a> = &'a mut dyn FnMut(PathBuf, &Source) -> QueryFile;

/// The views collected so far.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: BTreeMap<QualifiedName, (Source, Option<Declared<Matview>>)>,
    /// The mistakes found so far.
    pub(crate) problems: Vec<Problem>,
}

/// A view's indexes, as they are written in the file.
pub(crate) struct WithIndexes {
    pub(crate) view: QualifiedName,
    pub(crate) written: String,
    pub(crate) at: Source,
    pub(crate) indexes: Option<Entries<IndexSpec>>,
}

impl Views {
    /// Adds the entries under `materialized_views:` of one file, and returns their indexes. Paths of query files are
    /// relative to its folder.
    pub(crate) fn add(
        &mut self,
        file: FileId,
        folder: &Path,
        views: Entries<ViewSpec>,
        read: ReadQuery<'_>,
    ) -> Vec<WithIndexes> {
        let root = Source::file(file).key("materialized_views");
        let mut all = Vec::new();
        for (written, spec) in views.0 {
            let at = root.key(&written);
            let name = match QualifiedName::parse(&written) {
                Ok(name) => name,
                Err(error) => {
                    self.problems.push(Problem::new(&at, error.to_string()).on_key());
                    continue;
                }
            };
            let declared = self.lowered(&name, &spec, &at, folder, read);
            match self.views.entry(name.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert((at.clone(), declared));
                }
                Entry::Occupied(entry) => {
                    let message = format!("the materialized view `{name}` is declared twice");
                    let problem = Problem::new(&at, message).on_key();
                    self.problems.push(problem.related(&entry.get().0, "first here"));
                    continue;
                }
            }
            all.push(WithIndexes { view: name, written, at, indexes: spec.indexes });
        }
        all
    }

    fn lowered(
        &mut self,
        name: &QualifiedName,
        spec: &ViewSpec,
        at: &Source,
        folder: &Path,
        read: ReadQuery<'_>,
    ) -> Option<Declared<Matview>> {
        let (text, body) = match (&spec.query, &spec.query_file) {
            (Some(query), None) => (query.clone(), Body::Key("query")),
            (None, Some(path)) => {
                let (id, text) = read(folder.join(path), &at.key("query_file")).read?;
                (text, Body::Elsewhere(Source::file(id)))
            }
            (None, None) => {
                let problem = Problem::new(at, "a materialized view needs `query` or `query_file`").on_key();
                self.problems.push(problem);
                return None;
            }
            (Some(_), Some(_)) => {
                let message = "a materialized view has either `query` or `query_file`, not both";
                self.problems.push(Problem::new(&at.key("query_file"), message).on_key());
                return None;
            }
        };
        let query_at = match &body {
            Body::Elsewhere(file) => file.clone(),
            Body::Whole | Body::Key(_) => at.key("query"),
        };
        let written = Written {
            query: (&text, &query_at),
            with_data: spec.with_data,
            with: spec.with.as_ref(),
            tablespace: spec.tablespace.as_deref(),
            comment: spec.comment.as_deref(),
            grants: spec.grants.as_ref(),
            refresh: spec.refresh.as_ref(),
        };
        match lower(name, written, at) {
            Ok(view) => Some(Declared::new(view, at.clone(), body)),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// Whether a view of this name is declared, valid or not.
    pub(crate) fn has(&self, name: &QualifiedName) -> bool {
        self.views.contains_key(name)
    }

    /// The views whose declarations have mistakes.
    pub(crate) fn broken(&self) -> BTreeSet<QualifiedName> {
        self.views.iter().filter(|(_, (_, view))| view.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// The valid views.
    pub(crate) fn finish(self) -> Vec<Declared<Matview>> {
        self.views.into_values().filter_map(|(_, view)| view).collect()
    }
}
