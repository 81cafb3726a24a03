//! Databases in which every form of index, or every form of query, has been applied: the data of `convergence/`.
//!
//! Applying them takes long, so that is done once for each version; a test gets a copy. What has to hold of them is left
//! to the tests.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::common::{Database, Project, Run, Version, versions};

/// For each of [`versions`], once it is wanted.
type Once = OnceLock<Vec<OnceLock<Applied>>>;

/// A database that the forms were applied in, and nothing since.
pub(crate) struct Applied {
    database: Database,
    /// What that apply came to.
    pub(crate) run: Run,
}

impl Applied {
    fn new(version: &'static Version, before: &str, project: &Project) -> Self {
        let database = Database::new(version);
        database.sql(&data(before));
        let run = project.apply(&database);
        Self { database, run }
    }

    /// A database of the caller's own with the same in it.
    pub(crate) fn copy(&self) -> Database {
        self.database.copy()
    }
}

/// Every form of index, applied.
pub(crate) fn indexes(version: &'static Version) -> &'static Applied {
    static INDEXES: Once = OnceLock::new();
    once(&INDEXES, version, || Applied::new(version, "before.sql", &project_of_indexes(version)))
}

/// The project that declares them.
pub(crate) fn project_of_indexes(version: &Version) -> Project {
    let project = Project::new();
    project.write("reconcile.yaml", data("reconcile.yaml"));
    project.write("schema/forms.yaml", data("forms.yaml"));
    if version.major() >= 15 {
        project.write("schema/since_15.yaml", data("since_15.yaml"));
    }
    project
}

/// Every form of query, applied as a materialized view.
pub(crate) fn queries(version: &'static Version) -> &'static Applied {
    static QUERIES: Once = OnceLock::new();
    once(&QUERIES, version, || Applied::new(version, "views.sql", &project_of_queries()))
}

/// The project that declares them.
pub(crate) fn project_of_queries() -> Project {
    let project = Project::new();
    project.write("schema/views.yaml", data("views.yaml"));
    project
}

fn once(all: &'static Once, version: &Version, make: impl FnOnce() -> Applied) -> &'static Applied {
    let all = all.get_or_init(|| versions().iter().map(|_| OnceLock::new()).collect());
    let place = versions().iter().position(|other| other.major() == version.major()).unwrap();
    all[place].get_or_init(make)
}

fn data(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/convergence").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
