//! Retention rules at work on real servers. A rule counts as applied when the registry has it.

mod after_refresh;
mod archive;
mod basics;
mod calendar;
mod cron;
mod due;
mod families;
mod files;
mod files_kills;
mod interrupted;
mod kills;
mod locked;
mod long_names;
mod plans;
mod refusals;
mod surroundings;
mod triggers;

use serde_json::{Value, json};

use crate::common::{Database, Project, Run, Version};

/// A database with a registry, and the project that it belongs to.
pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) project: Project,
}

impl Place {
    /// The tables of `before`, and `reconcile` applied once.
    pub(crate) fn new(version: &'static Version, before: &str) -> Self {
        let (database, project) =
            (Database::new(version), Project::with("tables: { anchor: { indexes: { anchored: [a] } } }\n"));
        project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 200ms, retries: 2 }\n");
        database.sql("CREATE TABLE anchor (a int)");
        database.sql(before);
        project.apply(&database);
        Self { database, project }
    }

    /// Registers a rule as an apply does.
    pub(crate) fn rule(&self, rule: &Rule) {
        self.database.sql(&rule.registration());
    }

    pub(crate) fn retain(&self, args: &[&str]) -> Run {
        self.retain_as(&self.database.url(), args)
    }

    pub(crate) fn retain_as(&self, url: &str, args: &[&str]) -> Run {
        let all: Vec<_> = ["retain", "--json"].into_iter().chain(args.iter().copied()).collect();
        self.project.run_at(url, &all)
    }

    /// The rows of the latest run, as the records have them, in order.
    pub(crate) fn records(&self) -> String {
        self.database.sql(
            "SELECT table_name, action, rows_affected, outcome FROM reconcile.retention_run \
             WHERE run = (SELECT max(run) FROM reconcile.retention_run) ORDER BY id",
        )
    }

    /// Every row of a table with its place and its transactions: the same as long as nothing touches it.
    pub(crate) fn tuples(&self, table: &str) -> String {
        self.database.sql(&format!(
            "SELECT count(*), md5(string_agg(t.tableoid || t.ctid::text || t.xmin || t.xmax || t::text, ',' \
             ORDER BY t.tableoid, t.ctid)) FROM {table} t"
        ))
    }

    pub(crate) fn count(&self, table: &str) -> u64 {
        self.database.sql(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
    }
}

/// A rule as the registry has it.
#[derive(Clone)]
pub(crate) struct Rule(pub(crate) Value);

impl Rule {
    pub(crate) fn new(table: &str, column: &str, retain_for: &str) -> Self {
        Self(json!({
            "table": table, "column": column, "retain_for": retain_for, "action": "delete",
            "batch": { "rows": 5000, "target_ms": 100, "sleep_ms": 0 }, "vacuum": false,
        }))
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }

    /// The statement that registers it.
    pub(crate) fn registration(&self) -> String {
        let json = self.0.to_string().replace('\'', "''");
        format!(
            "INSERT INTO reconcile.resource (address, relation_schema, relation_name, declared, definition, declaration, \
             run) SELECT 'retention/' || (d->>'table'), '', '', '', '', d, 1 FROM (VALUES ('{json}'::jsonb)) v(d) \
             ON CONFLICT (address) DO UPDATE SET declaration = excluded.declaration"
        )
    }

    pub(crate) fn batch(mut self, key: &str, value: Value) -> Self {
        self.0["batch"][key] = value;
        self
    }
}

/// The steps that a run printed: table, action, rows, outcome.
pub(crate) fn steps(run: &Run) -> Vec<(String, String, u64, String)> {
    let lines = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|line: Value| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("table_name"), text("action"), line["rows_affected"].as_u64().unwrap(), text("outcome"))
        })
        .collect()
}
