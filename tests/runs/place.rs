//! A database and its project, and what there is to know of both.

use crate::common::{Database, Project, Run, Version};

/// Tables of each sort; `u` has an index that is always declared, so that there is always a registry.
const TABLES: &str = "CREATE TABLE u (a integer);
    CREATE TABLE t (id integer PRIMARY KEY, a integer, b text, c integer);
    INSERT INTO t SELECT n, n, 'text ' || n, n % 7 FROM generate_series(1, 300) n;
    CREATE TABLE p (a integer, b integer) PARTITION BY RANGE (a);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (b);
    CREATE TABLE p2x PARTITION OF p2 FOR VALUES FROM (0) TO (1000);
    INSERT INTO p SELECT n, n FROM generate_series(0, 199) n;";

pub(super) struct Place {
    pub(super) database: Database,
    pub(super) project: Project,
}

impl Place {
    /// The tables, and nothing declared yet.
    pub(super) fn new(version: &'static Version) -> Self {
        let place = Self { database: Database::new(version), project: Project::new() };
        place.database.sql(TABLES);
        place
    }

    /// Some indexes of `t`, in YAML's flow style, applied. The number of runs grows by one.
    pub(super) fn applied(version: &'static Version, indexes: &str) -> Self {
        let place = Self::new(version);
        place.apply(&of_t(indexes));
        place
    }

    /// Declares these tables, besides `u`.
    pub(super) fn declare(&self, tables: &str) {
        self.project.write("schema/tables.yaml", format!("tables:\n  u: {{ indexes: {{ anchor: [a] }} }}\n{tables}\n"));
    }

    pub(super) fn apply(&self, tables: &str) -> Run {
        self.declare(tables);
        self.project.apply(&self.database)
    }

    pub(super) fn run(&self, args: &[&str]) -> Run {
        self.project.run(&self.database, args)
    }

    pub(super) fn rollback(&self, run: i64) -> Run {
        self.run(&["rollback", &run.to_string(), "--auto-approve", "--allow", "all"])
    }

    /// What the registry holds.
    pub(super) fn managed(&self) -> String {
        self.database.sql("SELECT address FROM reconcile.resource ORDER BY address COLLATE \"C\"")
    }

    /// All runs, the first one first: number, command, outcome.
    pub(super) fn runs(&self) -> String {
        self.database.sql("SELECT id, command, outcome FROM reconcile.run ORDER BY id")
    }

    pub(super) fn latest(&self) -> i64 {
        self.database.sql("SELECT max(id) FROM reconcile.run").parse().unwrap()
    }

    /// What must not have changed where nothing was written.
    pub(super) fn state(&self) -> [String; 3] {
        [self.database.indexes(), self.managed(), self.runs()]
    }
}

pub(super) fn of_t(indexes: &str) -> String {
    format!("  t: {{ indexes: {{ {indexes} }} }}")
}
