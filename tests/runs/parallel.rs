//! Builds side by side: what they come to, that some do run at once, and what a failure or a kill does to the others.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Database, Project, Run, newest};

const WIDE: [&str; 6] = ["apply", "--auto-approve", "--allow", "all", "--parallel", "4"];

/// How many pairs of builds of the latest run went on at once; those of one transaction do anyway.
const OVERLAPS: &str = "WITH build AS (SELECT * FROM reconcile.step WHERE run = (SELECT max(id) FROM reconcile.run) \
    AND statement LIKE 'CREATE%INDEX CONCURRENTLY%') SELECT count(*) FROM build a JOIN build b \
    ON a.position < b.position AND a.started_at < b.finished_at AND b.started_at < a.finished_at";

/// Six tables, and a partitioned one with three partitions, of which one has an index of its own declared.
fn tables() -> (Database, Project) {
    let database = Database::new(newest());
    let mut yaml = "tables:\n".to_owned();
    for n in 1..=6 {
        database.sql(&format!(
            "CREATE TABLE t{n} (id serial PRIMARY KEY, a integer, b text); \
             INSERT INTO t{n} (a, b) SELECT n, md5(n::text) FROM generate_series(1, 40000) n"
        ));
        yaml.push_str(&format!(
            "  t{n}: {{ indexes: {{ t{n}_expression: [{{ expression: lower(b) }}], \
             t{n}_partial: {{ columns: [a], where: a % 3 = 0 }}, t{n}_plain: {{ columns: [b, a], comment: number {n} }} }} }}\n"
        ));
    }
    for p in ["p", "q"] {
        database.sql(&format!(
            "CREATE TABLE {p} (a integer, b text) PARTITION BY RANGE (a); \
             CREATE TABLE {p}1 PARTITION OF {p} FOR VALUES FROM (0) TO (10000); \
             CREATE TABLE {p}2 PARTITION OF {p} FOR VALUES FROM (10000) TO (20000); \
             CREATE TABLE {p}3 PARTITION OF {p} DEFAULT; \
             INSERT INTO {p} SELECT n, md5(n::text) FROM generate_series(1, 30000) n"
        ));
        yaml.push_str(&format!(
            "  {p}: {{ indexes: {{ {p}_lower: [{{ expression: lower(b) }}], {p}_b: [b] }} }}\n  \
             {p}1: {{ indexes: {{ {p}1_own: {{ columns: [a], where: b > 'a' }} }} }}\n"
        ));
    }
    (database, Project::with(yaml))
}

fn expect_no_locks_and_no_deadlock(database: &Database) {
    assert_eq!(
        database.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        "0"
    );
    let deadlocks: Vec<_> = database.log().into_iter().filter(|line| line.contains("deadlock")).collect();
    assert!(deadlocks.is_empty(), "{deadlocks:#?}");
}

/// Positions are those of the plan, each once; all is done.
fn expect_complete_history(database: &Database) {
    let positions = "SELECT count(*) = max(position) AND count(DISTINCT position) = count(*) AND min(position) = 1 \
        AND bool_and(outcome = 'done') FROM reconcile.step WHERE run = (SELECT max(id) FROM reconcile.run)";
    assert_eq!(
        database.sql(positions),
        "t",
        "{}",
        database.sql("SELECT position, outcome, statement FROM reconcile.step")
    );
}

#[test]
fn many_tables_side_by_side() {
    let (database, project) = tables();
    let run = project.run(&database, &WIDE).expect(0);
    project.expect_no_changes(&database);
    expect_complete_history(&database);
    expect_no_locks_and_no_deadlock(&database);
    assert_ne!(database.sql(OVERLAPS), "0", "nothing ran at once: {run}");
    assert!(!database.indexes().contains("INVALID"));
    // Back again, side by side as far as anything is built.
    let rollback = ["rollback", "1", "--auto-approve", "--allow", "all", "--parallel", "4"];
    project.run(&database, &rollback).expect(0);
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.resource"), "0");
    project.run(&database, &["rollback", "2", "--auto-approve", "--parallel", "4"]).expect(0);
    project.expect_no_changes(&database);
    expect_complete_history(&database);
    expect_no_locks_and_no_deadlock(&database);
}

#[test]
fn the_project_says_how_many() {
    for (parallel, at_once) in [(1, false), (3, true)] {
        let (database, project) = tables();
        project.write("reconcile.yaml", format!("version: 1\ndefaults: {{ parallel: {parallel} }}\n"));
        project.apply(&database);
        assert_eq!(database.sql(OVERLAPS) != "0", at_once, "with parallel: {parallel}");
    }
    let (database, project) = tables();
    for wrong in ["0", "-1", "many", "99999999999"] {
        project.run(&database, &["apply", "--parallel", wrong]).expect(64);
    }
    project.write("reconcile.yaml", "version: 1\ndefaults: { parallel: 0 }\n");
    project.run(&database, &["plan"]).expect_said(1, "reconcile.yaml:2");
}

#[test]
fn side_by_side_replaces_and_repairs() {
    let (database, project) = tables();
    project.run(&database, &WIDE).expect(0);
    let indexes = database.indexes();
    database.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE 't%partial'");
    project.run(&database, &WIDE).expect(0);
    assert_eq!(indexes, database.indexes());
    let yaml = project.read("schema/tables.yaml").replace("[b, a]", "[a, b]").replace("_b: [b]", "_b: [b, a]");
    project.write("schema/tables.yaml", yaml);
    project.run(&database, &WIDE).expect(0);
    assert_ne!(database.sql(OVERLAPS), "0");
    project.expect_no_changes(&database);
    project.run(&database, &["rollback", "3", "--auto-approve", "--allow", "all", "--parallel", "9"]).expect(0);
    assert_eq!(indexes, database.indexes());
    expect_complete_history(&database);
    expect_no_locks_and_no_deadlock(&database);
}

#[test]
fn a_failing_build_stops_the_others_at_their_next_step() {
    let (database, project) = tables();
    database.sql("TRUNCATE t1; INSERT INTO t1 (a, b) VALUES (1, 'same'), (2, 'same'), (3, 'same')");
    let yaml = project.read("schema/tables.yaml");
    let unique = yaml.replace("t1_expression: [", "t1_0: { columns: [b], unique: true }, t1_expression: [");
    project.write("schema/tables.yaml", &unique);
    let run = project.run(&database, &WIDE).expect(1);
    assert!(run.stderr.contains("(b) = (same) in 3 rows"), "{run}");
    assert!(run.stderr.contains("not done: index/public.t1/t1_0"), "{run}");
    assert!(run.stderr.contains("not done: index/public.t6/t6_plain"), "the others went on: {run}");
    assert_eq!(database.sql("SELECT outcome FROM reconcile.run"), "failed");
    let managed: usize = database.sql("SELECT count(*) FROM reconcile.resource").parse().unwrap();
    assert_eq!(
        run.stderr.matches("\ndone: ").count() + usize::from(run.stderr.starts_with("done: ")),
        managed,
        "{run}"
    );
    assert!(!database.indexes().contains("t1_0"), "the failed build left something");
    expect_no_locks_and_no_deadlock(&database);
    project.write("schema/tables.yaml", yaml);
    project.run(&database, &WIDE).expect(0);
    project.expect_no_changes(&database);
    expect_complete_history(&database);
}

#[test]
fn a_killed_apply_side_by_side_is_done_by_the_next_one() {
    for round in 0..4 {
        let (database, project) = tables();
        let mut command = project.command(&WIDE);
        command.env("DATABASE_URL", database.url()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let enough = format!("SELECT coalesce((SELECT count(*) > {} FROM reconcile.step), false)", round * 7);
        while database.try_sql(&enough).as_deref() != Ok("t") {
            assert!(Instant::now() < end && client.try_wait().unwrap().is_none(), "it was over before it was killed");
            sleep(Duration::from_millis(2));
        }
        client.kill().unwrap();
        client.wait().unwrap();
        again(&project, &database);
        project.expect_no_changes(&database);
        expect_complete_history(&database);
        let open = "SELECT id FROM reconcile.run WHERE outcome = 'running'; SELECT run FROM reconcile.step WHERE outcome = 'started'";
        assert_eq!(database.sql(open), "", "the history has runs or steps without an end");
        assert_eq!(database.sql("SELECT outcome FROM reconcile.run WHERE id = 1"), "interrupted");
        assert!(!database.indexes().contains("INVALID"));
        expect_no_locks_and_no_deadlock(&database);
    }
}

/// Applies until nothing of the killed one is in the way any more.
fn again(project: &Project, database: &Database) -> Run {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let run = project.run(database, &WIDE);
        match run.code {
            0 => return run,
            3 | 5 | 6 if Instant::now() < end => sleep(Duration::from_millis(50)),
            _ => panic!("not to be run again: {run}"),
        }
    }
}
