//! Somebody is in the way, or something: an open transaction, a reader's lock, rows that are there twice. The apply gives
//! up in time, says for whom, and leaves nothing behind.

use std::thread::scope;
use std::time::Duration;

use super::site::Site;
use crate::common::{Database, Project, newest, versions};

/// What is waited for a build in these tests.
const BUDGET: Duration = Duration::from_secs(1);

/// What giving up may take on top of that: planning, starting, cleaning up, on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

const TABLES: &str = "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer); \
    INSERT INTO t SELECT n, n, n FROM generate_series(1, 1000) n; CREATE TABLE u (x integer); INSERT INTO u VALUES (1); \
    CREATE TABLE p (id integer, a integer, b integer) PARTITION BY RANGE (id); \
    CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (500); \
    CREATE TABLE p_high PARTITION OF p FOR VALUES FROM (500) TO (2000); INSERT INTO p SELECT * FROM t";

fn site(database: &Database) -> Site<'_> {
    Site { server: database.version.server(), name: &database.name }
}

fn project(database: &Database, schema: &str) -> Project {
    database.sql(TABLES);
    let project = Project::with(schema);
    project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 300ms, retries: 2, build_timeout: 1s }\n");
    project
}

/// Transactions that a concurrent build on `t` or `p` has to wait for: by a lock, and by a snapshot alone.
const IDLE: [&str; 3] = [
    "BEGIN; INSERT INTO t VALUES (-1, 0, 0); INSERT INTO p VALUES (1, 0, 0)",
    "BEGIN; SELECT count(*) FROM t; SELECT count(*) FROM p; DECLARE open CURSOR FOR SELECT FROM u; FETCH open",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM u",
];

#[test]
fn a_build_gives_up_on_an_idle_transaction_and_names_it() {
    for schema in ["tables: { t: { indexes: { i: [a] } } }", "tables: { p: { indexes: { i: [a] } } }"] {
        for idle in IDLE {
            let database = Database::new(newest());
            let (site, project) = (site(&database), project(&database, schema));
            let before = site.indexes();
            let mut visitor = site.visitor();
            visitor.ask(idle);
            let run = site.try_apply(&project).expect_said(5, &format!("process {} of user postgres", visitor.pid()));
            assert!(run.stderr.contains("idle in transaction"), "{run}");
            assert!(run.took > BUDGET && run.took < BUDGET + SLACK, "it took {:?}: {run}", run.took);
            assert_eq!(before, site.indexes(), "{schema} while {idle}: something is left");
            visitor.ask("COMMIT");
            site.try_apply(&project).expect(0);
            site.expect_settled(&project);
        }
    }
}

/// Takes a second to build, however fast the machine.
const SLOW: &str = "CREATE FUNCTION slow(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_catalog.pg_sleep(0.001); RETURN $1; END'";

/// Whoever comes after the build has begun can still hold it up, and its clean-up too.
#[test]
fn a_build_gives_up_on_a_transaction_that_came_later() {
    let database = Database::new(newest());
    let schema = "tables: { t: { indexes: { i: [{ expression: public.slow(a) }] } } }";
    let (site, project) = (site(&database), project(&database, schema));
    project.write("reconcile.yaml", "version: 1\ndefaults: { build_timeout: 4s }\n");
    database.sql(SLOW);
    let mut visitor = site.visitor();
    let run = scope(|scope| {
        let apply = scope.spawn(|| site.try_apply(&project));
        let building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'building%' \
            AND datname = current_database()";
        site.wait_until("no build is seen", building, "1");
        visitor.ask("BEGIN; UPDATE t SET b = b WHERE id = 1");
        apply.join().unwrap()
    });
    let run = run.expect_said(5, &format!("process {} of user postgres", visitor.pid()));
    assert!(run.took < Duration::from_secs(30), "it took {:?}: {run}", run.took);
    visitor.ask("COMMIT");
    site.wait_for_orphans();
    project.write("reconcile.yaml", "version: 1\n");
    site.try_apply(&project).expect(0);
    site.expect_settled(&project);
}

#[test]
fn a_drop_under_lock_gives_up_on_a_reader_and_names_it() {
    let database = Database::new(newest());
    let (site, project) = (site(&database), project(&database, "tables: { p: { indexes: { i: [a], j: [b] } } }"));
    site.try_apply(&project).expect(0);
    let before = site.indexes();
    project.write("schema/tables.yaml", "tables: { p: { indexes: { j: [b] } } }");
    let mut visitor = site.visitor();
    visitor.ask("BEGIN; SELECT count(*) FROM p_high WHERE id = 42");
    let run = site.try_apply(&project).expect_said(5, &format!("process {} of user postgres", visitor.pid()));
    assert!(run.stderr.contains("SELECT count(*) FROM p_high WHERE id = 42"), "{run}");
    assert!(run.stderr.contains("attempt 3"), "it was not tried again: {run}");
    assert_eq!(before, site.indexes());
    visitor.ask("COMMIT");
    site.try_apply(&project).expect(0);
    site.expect_settled(&project);
}

/// However short the timeout is: whoever stops the apply is named.
#[test]
fn a_blocker_is_named_also_when_the_lock_timeout_is_short() {
    let database = Database::new(newest());
    let (site, project) = (site(&database), project(&database, "tables: { p: { indexes: { i: [a] } } }"));
    site.try_apply(&project).expect(0);
    project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 50ms, retries: 1 }\n");
    project.write("schema/tables.yaml", "tables: { p: {} }");
    let mut visitor = site.visitor();
    visitor.ask("BEGIN; SELECT count(*) FROM p_high");
    site.try_apply(&project).expect_said(5, &format!("process {} of user postgres", visitor.pid()));
}

#[test]
fn a_reader_who_leaves_in_time_only_delays_a_drop() {
    let database = Database::new(newest());
    let (site, project) = (site(&database), project(&database, "tables: { p: { indexes: { i: [a] } } }"));
    site.try_apply(&project).expect(0);
    project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 300ms, retries: 8 }\n");
    project.write("schema/tables.yaml", "tables: { p: {} }");
    let mut visitor = site.visitor();
    visitor.ask("BEGIN; SELECT count(*) FROM p_high");
    let run = scope(|scope| {
        let apply = scope.spawn(|| site.try_apply(&project));
        let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted \
            AND a.application_name = 'reconcile' AND a.datname = current_database()";
        site.wait_until("nobody waits", waits, "1");
        // Longer than the first attempt.
        visitor.ask("SELECT pg_sleep(0.4); COMMIT");
        apply.join().unwrap().expect(0)
    });
    assert!(run.stderr.contains("attempt 2"), "{run}");
    site.expect_settled(&project);
}

#[test]
fn a_unique_build_over_duplicates_names_a_key_and_leaves_nothing() {
    for version in versions() {
        for schema in [
            "tables: { t: { indexes: { i: { columns: [a], unique: true } } } }",
            "tables: { p: { indexes: { i: { columns: [id, a], unique: true } } } }",
        ] {
            let database = Database::new(version);
            let (site, project) = (site(&database), project(&database, schema));
            database.sql("INSERT INTO t VALUES (-1, 7, 0); INSERT INTO p VALUES (700, 700, 0)");
            let before = site.indexes();
            let run = site.try_apply(&project).expect(1);
            assert!(run.stderr.contains("(a)=(7)") || run.stderr.contains("(id, a)=(700, 700)"), "{run}");
            assert_eq!(before, site.indexes(), "on {}: something is left", version.major());
            database.sql("DELETE FROM t WHERE id = -1; DELETE FROM p WHERE b = 0");
            site.try_apply(&project).expect(0);
            site.expect_settled(&project);
        }
    }
}
