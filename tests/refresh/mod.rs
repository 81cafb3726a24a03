//! `refresh`: in which order, how, what is recorded, and what happens where somebody else is at it.

mod cron;
mod due;

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Database, Project, Run, newest, versions};

const TABLE: &str = "CREATE TABLE t (id serial PRIMARY KEY, a integer); \
    INSERT INTO t (a) SELECT n FROM generate_series(1, 100) n";

/// `c` reads `b` through a plain view that is made in between; their names say the contrary of their order.
const CHAIN: &str = "
materialized_views:
  c: { query: SELECT count(*) AS n FROM t }
  b:
    query: SELECT n + 1 AS n FROM c
    indexes: { b_key: { columns: [n], unique: true } }
    refresh: { concurrently: true }
  a: { query: SELECT n + 1 AS n FROM b, with_data: false }
";

/// What the last run recorded.
const RECORDS: &str = "SELECT view_name, action, rows_affected, outcome FROM reconcile.refresh_run \
    WHERE run = (SELECT max(run) FROM reconcile.refresh_run) ORDER BY id";

struct Place {
    database: Database,
    project: Project,
}

impl Place {
    fn new(version: &'static crate::common::Version, views: &str) -> Self {
        let (database, project) = (Database::new(version), Project::with(views));
        database.sql(TABLE);
        project.apply(&database);
        Self { database, project }
    }

    fn refresh(&self, views: &[&str]) -> Run {
        let args: Vec<_> = ["refresh"].into_iter().chain(views.iter().copied()).collect();
        self.project.run(&self.database, &args)
    }

    fn records(&self) -> String {
        self.database.sql(RECORDS)
    }
}

#[test]
fn a_chain_is_refreshed_in_order_and_recorded() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, CHAIN);
        place.database.sql("INSERT INTO t (a) VALUES (0)");
        let run = place.refresh(&[]).expect(0);
        assert!(run.stdout.starts_with("view_name  action"), "{run}");
        let expected = "public.c|REFRESH|1|done\npublic.b|REFRESH CONCURRENTLY|1|done\npublic.a|REFRESH|1|done";
        assert_eq!(place.records(), expected);
        assert_eq!(place.database.sql("SELECT * FROM a"), "103");
        // One alone, whatever it reads.
        place.database.sql("INSERT INTO t (a) VALUES (0)");
        place.refresh(&["c"]).expect(0);
        assert_eq!(place.records(), "public.c|REFRESH|1|done");
        assert_eq!(place.database.sql("SELECT a.n, c.n FROM a, c"), "103|102");
        place.project.expect_no_changes(&place.database);
    }
}

#[test]
fn views_in_between_keep_the_order() {
    let place = Place::new(newest(), "materialized_views: { z: { query: SELECT count(*) AS n FROM t } }");
    place.database.sql("CREATE VIEW plain AS SELECT n FROM z");
    let both = "materialized_views: { z: { query: SELECT count(*) AS n FROM t }, a: { query: SELECT n FROM plain } }";
    place.project.write("schema/tables.yaml", both);
    place.project.apply(&place.database);
    place.database.sql("INSERT INTO t (a) VALUES (0)");
    place.refresh(&[]).expect(0);
    assert_eq!(place.records(), "public.z|REFRESH|1|done\npublic.a|REFRESH|1|done");
    assert_eq!(place.database.sql("SELECT n FROM a"), "101");
}

/// A materialized view has rows of its own, so the server lets a plain view that it reads be made to read it.
#[test]
fn a_circle_through_a_plain_view_is_refreshed_in_some_order() {
    let views = |a: &str| {
        format!("materialized_views: {{ a: {{ query: SELECT n + 1 AS n FROM {a} }}, b: {{ query: SELECT n FROM a }} }}")
    };
    let place = Place::new(newest(), "tables: {}");
    place.database.sql("CREATE VIEW plain AS SELECT count(*) AS n FROM t");
    place.project.write("schema/tables.yaml", views("plain"));
    place.project.apply(&place.database);
    place.database.sql("CREATE OR REPLACE VIEW plain AS SELECT n FROM b");
    let all = "public.a|REFRESH|1|done\npublic.b|REFRESH|1|done";
    place.refresh(&[]).expect(0);
    assert_eq!(place.records(), all);
    let call = "CALL reconcile.refresh_views(ARRAY['public.a', 'public.b'], ARRAY['a', 'b'], NULL, 'public', '1s', 2, NULL, NULL)";
    place.database.sql(call);
    assert_eq!(place.records(), all);
    assert_eq!(place.database.sql("SELECT n FROM b"), "103");
}

#[test]
fn the_first_filling_is_plain_and_what_reads_a_failure_is_left_alone() {
    let views = "
materialized_views:
  a:
    query: SELECT id, 100 / a AS part FROM t
    with_data: false
    indexes: { a_key: { columns: [id], unique: true } }
    refresh: { concurrently: true }
  b: { query: SELECT count(*) AS n FROM a, with_data: false }
  c: { query: SELECT count(*) AS n FROM t }
";
    let place = Place::new(newest(), views);
    place.refresh(&["a"]).expect(0);
    assert_eq!(place.records(), "public.a|REFRESH|100|done");
    place.database.sql("INSERT INTO t (a) VALUES (0)");
    place.refresh(&[]).expect_said(1, "");
    assert_eq!(
        place.records(),
        "public.a|REFRESH CONCURRENTLY|0|failed\npublic.c|REFRESH|1|done\npublic.b|REFRESH|0|skipped"
    );
    let why = place.database.sql("SELECT message FROM reconcile.refresh_run WHERE outcome <> 'done' ORDER BY id");
    assert_eq!(why, "division by zero\nnot begun: public.a, which it reads, was not refreshed");
    place.refresh(&["nothing"]).expect_said(1, "no materialized view public.nothing is applied");
}

#[test]
fn an_overlap_is_recorded_as_skipped() {
    let place = Place::new(
        newest(),
        "materialized_views: { slow: { query: \"SELECT pg_sleep(5)::text AS x\", with_data: false } }",
    );
    let mut first: Command = place.project.command(&["refresh"]);
    let mut first = first.env("DATABASE_URL", place.database.url()).stdout(Stdio::null()).spawn().unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REFRESH%' AND datname = current_database()";
    let end = Instant::now() + Duration::from_secs(20);
    while place.database.sql(running) != "1" {
        assert!(Instant::now() < end, "the first refresh does not begin");
        sleep(Duration::from_millis(20));
    }
    place.refresh(&[]).expect(6);
    assert_eq!(place.records(), "public.slow|REFRESH|0|skipped");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    // Somebody's own statement is an overlap as well.
    place.database.sql("CREATE TABLE ready (x integer)");
    let url = place.database.url();
    let program = place.database.version.server().installation().program("psql").unwrap();
    let mut theirs =
        Command::new(program).args(["-X", "-q", "-d", &url, "-c", "REFRESH MATERIALIZED VIEW slow"]).spawn().unwrap();
    while place.database.sql(running) != "1" {
        assert!(Instant::now() < end + Duration::from_secs(20), "the other refresh does not begin");
        sleep(Duration::from_millis(20));
    }
    place.refresh(&[]).expect(6);
    assert_eq!(place.records(), "public.slow|REFRESH|0|skipped");
    theirs.wait().unwrap();
}

#[test]
fn a_refresh_that_takes_too_long_or_is_interrupted_ends() {
    let views = "materialized_views: { slow: { query: \"SELECT pg_sleep(30)::text AS x\", with_data: false, refresh: { timeout: 300 ms } } }";
    let place = Place::new(newest(), views);
    let run = place.refresh(&[]).expect(1);
    assert!(run.stdout.contains("it took longer than its `timeout` of 300 ms"), "{run}");
    assert_eq!(place.records(), "public.slow|REFRESH|0|failed");
    place.project.write("schema/tables.yaml", views.replace("300 ms", "1 h"));
    let run = place.project.apply(&place.database);
    assert!(run.stdout.contains("differs in refresh"), "{run}");
    let mut client = place.project.command(&["refresh"]);
    let mut client = client.env("DATABASE_URL", place.database.url()).stdout(Stdio::null()).spawn().unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REFRESH%' AND datname = current_database() AND state = 'active'";
    let end = Instant::now() + Duration::from_secs(20);
    while place.database.sql(running) != "1" {
        assert!(Instant::now() < end, "the refresh does not begin");
        sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-TERM", &client.id().to_string()]).status().unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(5));
    assert_eq!(place.records(), "public.slow|REFRESH|0|stopped");
}

/// What has to be read is not to be had while a plain refresh works.
#[test]
fn a_plan_beside_a_refresh_says_for_whom_to_wait() {
    let views = "materialized_views: { slow: { query: \"SELECT pg_sleep(60)::text AS x\", with_data: false } }";
    let place = Place::new(newest(), views);
    let url = place.database.url();
    let program = place.database.version.server().installation().program("psql").unwrap();
    let mut theirs =
        Command::new(program).args(["-X", "-q", "-d", &url, "-c", "REFRESH MATERIALIZED VIEW slow"]).spawn().unwrap();
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
        AND relation = (SELECT oid FROM pg_class WHERE relname = 'slow')";
    let end = Instant::now() + Duration::from_secs(20);
    while place.database.sql(locked) != "1" {
        assert!(Instant::now() < end, "the refresh does not begin");
        sleep(Duration::from_millis(20));
    }
    let run =
        place.project.run(&place.database, &["plan"]).expect_said(5, "holds an exclusive lock on public.slow: REFRESH");
    assert!(run.stderr.contains("run this again once it is done"), "{run}");
    place.database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'relation' \
        AND relation = (SELECT oid FROM pg_class WHERE relname = 'slow')",
    );
    theirs.wait().unwrap();
    place.project.expect_no_changes(&place.database);
}
