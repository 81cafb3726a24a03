//! Servers with `pg_cron`, each with a project that has it run what is due.

use std::thread::sleep;
use std::time::{Duration, Instant};

use reconcile_scratch::{Options, Server, local};

use super::{Project, Run};

/// The database that jobs run in.
pub(crate) const NAME: &str = "postgres";

/// A project that leaves its schedules to `pg_cron`.
pub(crate) const PG_CRON: &str = "version: 1\nscheduler: pg_cron\ndefaults: { lock_timeout: 200ms, retries: 2 }\n";

pub(crate) const JOBS: &str = "SELECT jobname, schedule, command, active FROM cron.job ORDER BY jobname";

/// A server with `pg_cron`, and a project whose schedules it keeps.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) project: Project,
}

impl Place {
    /// One for each version of PostgreSQL here that has the extension.
    pub(crate) fn all(before: &str, schema: &str) -> Vec<Self> {
        let has = |library: &std::path::Path| library.join("pg_cron.so").exists();
        let mut places = Vec::new();
        for installation in local() {
            let library = installation.bin_dir().join("../lib");
            if !has(&library) {
                eprintln!("skipped: PostgreSQL {} has no pg_cron on this machine", installation.version());
                continue;
            }
            let options = Options::default()
                .with("shared_preload_libraries", "pg_cron")
                .with("cron.database_name", NAME)
                .with("cron.use_background_workers", "on")
                .with("autovacuum", "off");
            let server = Server::start(&installation, options).unwrap();
            let project = Project::with(schema);
            project.write("reconcile.yaml", PG_CRON);
            let place = Self { server, project };
            place.sql("CREATE EXTENSION pg_cron");
            place.sql(before);
            places.push(place);
        }
        places
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.psql(NAME, sql).unwrap_or_else(|error| panic!("{error}\nin {sql}"))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.project.run_at(&self.server.url(NAME), args)
    }

    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--auto-approve", "--allow", "all"]).expect(0)
    }

    pub(crate) fn expect_no_changes(&self) {
        self.run(&["plan", "--detailed-exitcode"]).expect(0);
    }

    pub(crate) fn expect_planned(&self, text: &str) {
        let run = self.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(run.stdout.contains(text), "{run}");
    }

    pub(crate) fn wait_until(&self, what: &str, query: &str, expected: &str) {
        let began = Instant::now();
        while self.sql(query) != expected {
            let details = "SELECT * FROM cron.job_run_details";
            assert!(began.elapsed() < Duration::from_secs(150), "{what}: {}\n{}", self.sql(query), self.sql(details));
            sleep(Duration::from_millis(500));
        }
    }
}
