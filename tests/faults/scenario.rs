//! An apply of twelve changes, what it makes of its database when nothing happens, and how to tell that it came to that.

use std::hash::{BuildHasher, RandomState};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reconcile_scratch::Server;

use super::site::Site;
use crate::common::{Project, Run, Version, newest, versions};

const BEFORE: &str = include_str!("before.sql");
const FIRST: &str = include_str!("first.yaml");
const SECOND: &str = include_str!("second.yaml");

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--allow", "all"];

/// Far more attempts than orphans need to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the registry says, but for which run and when.
const MANAGED: &str = "SELECT address, declared, definition, declaration FROM reconcile.resource ORDER BY address";

/// What the newest run says of itself is so. A build, a drop or a rename that is done is there to be seen, unless a
/// later step came, and that one would be noted with its effect.
const LATEST: &str = r"
WITH latest AS (
  SELECT statement, regexp_match(statement, '^CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\S+) ON') AS created,
    regexp_match(statement, '^DROP INDEX CONCURRENTLY (\S+)$') AS dropped,
    regexp_match(statement, '^ALTER INDEX \S+ RENAME TO (\S+)$') AS renamed
  FROM reconcile.step WHERE run = (SELECT max(id) FROM reconcile.run) AND outcome = 'done' ORDER BY position DESC LIMIT 1
)
SELECT statement FROM latest WHERE dropped IS NOT NULL AND to_regclass(dropped[1]) IS NOT NULL
  OR coalesce(created, renamed) IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || (coalesce(created, renamed))[1]) AND indisvalid)
";

/// A database to copy, where the first half of the project is applied, and the second half is to be.
pub(super) struct Scenario {
    template: String,
    project: Project,
    indexes: String,
    managed: String,
    /// How long an undisturbed apply takes.
    pub(super) takes: Duration,
}

impl Scenario {
    /// On the server that all tests of a version share: made once for the newest, and once for the oldest.
    pub(super) fn shared(version: &'static Version) -> &'static Self {
        static NEWEST: OnceLock<Scenario> = OnceLock::new();
        static OLDEST: OnceLock<Scenario> = OnceLock::new();
        let known = if version.major() == newest().major() { &NEWEST } else { &OLDEST };
        assert!([newest().major(), versions()[0].major()].contains(&version.major()));
        known.get_or_init(|| Self::new(version.server()))
    }

    pub(super) fn new(server: &Server) -> Self {
        let template = name();
        server.create_database(&template).unwrap();
        let site = Site { server, name: &template };
        site.sql(BEFORE);
        let project = Project::with(FIRST);
        site.try_apply(&project).expect(0);
        project.write("schema/tables.yaml", SECOND);
        let plan = project.run_at(&site.url(), &["plan", "--json", "--detailed-exitcode"]).expect(2).json();
        assert_eq!(plan["changes"].as_array().unwrap().len(), 12, "{}", plan["summary"]);
        site.wait_for_orphans();
        let mut scenario =
            Self { template, project, indexes: String::new(), managed: String::new(), takes: Duration::ZERO };
        scenario.undisturbed(server);
        scenario
    }

    fn undisturbed(&mut self, server: &Server) {
        let copy = self.copy(server);
        let site = Site { server, name: &copy };
        self.takes = site.try_apply(&self.project).expect(0).took;
        site.expect_settled(&self.project);
        self.indexes = site.indexes();
        self.managed = site.sql(MANAGED);
        drop_database(server, &copy);
    }

    /// A database before the apply.
    pub(super) fn copy(&self, server: &Server) -> String {
        let copy = name();
        server.psql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE {}", self.template)).unwrap();
        copy
    }

    /// The apply, not started.
    pub(super) fn apply(&self, url: &str) -> Command {
        let mut command = self.project.command(&APPLY);
        command.env("DATABASE_URL", url);
        command
    }

    /// Applies again until it is done. Nothing but another applier, or what one left running, may be in the way.
    pub(super) fn finish(&self, site: &Site<'_>) -> Run {
        let end = Instant::now() + PATIENCE;
        loop {
            let run = Run::of(&mut self.apply(&site.url()));
            match run.code {
                0 => return run,
                // Stale is a plan that was made while an orphan still worked.
                3 | 5 | 6 => assert!(Instant::now() < end, "it comes to no end: {run}"),
                _ => panic!("not to be run again: {run}"),
            }
            eprintln!("  again, after exit code {}: {}", run.code, run.stderr.lines().last().unwrap_or_default());
            sleep(Duration::from_millis(50));
        }
    }

    /// The database is what an undisturbed apply makes of it, and so is what is known of it.
    pub(super) fn expect_as_undisturbed(&self, site: &Site<'_>) {
        assert_eq!(self.indexes, site.indexes());
        assert_eq!(self.managed, site.sql(MANAGED));
        site.expect_settled(&self.project);
        let open = "SELECT id, outcome FROM reconcile.run WHERE outcome = 'running'; \
            SELECT run, position, statement FROM reconcile.step WHERE outcome = 'started'";
        assert_eq!(site.sql(open), "", "the history has runs or steps without an end");
        let unknown = "SELECT outcome FROM reconcile.run WHERE outcome NOT IN ('done', 'failed', 'incomplete', 'interrupted'); \
            SELECT outcome FROM reconcile.step WHERE outcome NOT IN ('done', 'failed', 'interrupted'); \
            SELECT position FROM reconcile.step s JOIN reconcile.run r ON r.id = s.run AND r.outcome = 'done' \
            WHERE s.outcome <> 'done'";
        assert_eq!(site.sql(unknown), "", "the history contradicts itself");
    }

    /// What the history of a run that was cut short says is so.
    pub(super) fn expect_truthful_history(site: &Site<'_>) {
        assert_eq!(site.sql(LATEST), "", "the history has as done what is not");
    }
}

/// Moments within a duration: one in each of so many equal parts, by chance within the part.
pub(super) fn moments(rounds: u32, within: Duration) -> impl Iterator<Item = Duration> {
    let part = within / rounds;
    (0..rounds).map(move |round| {
        let chance = RandomState::new().hash_one(round) % 1000;
        part * round + part * u32::try_from(chance).unwrap() / 1000
    })
}

pub(super) fn drop_database(server: &Server, name: &str) {
    server.psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("fault_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
