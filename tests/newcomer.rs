//! What someone tries first: the demonstration, a new project, the examples; and what happens when an apply cannot go on.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Database, Project, Run, newest};

#[test]
fn the_demonstration_goes_through_the_whole_cycle() {
    let run = Run::of(&mut Project::new().command(&["demo", "--small"])).expect(0);
    for said in [
        "Plan: 14 to create, 0 to update, 0 to replace, 0 to drop.",
        "left alone",
        "Applied: 14 changes",
        "(exit code 0)",
        "Plan: 4 to create",
        "DELETE (>30 days)",
        "ARCHIVE (>12 months)",
        "rollback 1",
    ] {
        assert!(run.stdout.contains(said), "no `{said}` in {run}");
    }
    let (before, after) = run.stdout.split_once("== After").unwrap();
    assert!(before.contains("Seq Scan on price_history"), "{run}");
    assert!(after.contains("Index Scan using idx_price_history_created_at"), "{run}");
    assert_eq!(before.matches("FROM sales.order WHERE sold_at").count(), 2, "{run}");
    let faster: Vec<_> = after.lines().filter(|line| line.contains("times as fast")).collect();
    assert_eq!(faster.len(), 2, "{run}");
    for line in faster {
        assert!(line.starts_with("  Seq Scan on daily_sales_summary in "), "{line}");
        expect_true(line);
    }
    let refreshed = after.split("== reconcile refresh").nth(1).unwrap().lines();
    let refreshed = refreshed.filter(|line| line.contains("  REFRESH CONCURRENTLY  ") && line.ends_with("  done"));
    assert_eq!(refreshed.count(), 3, "{run}");
}

/// `… in 0.077 ms, 46.4 times as fast as from the orders, which now take 3.569 ms`: the figures belong together.
fn expect_true(line: &str) {
    let number = |before: &str, after: &str| -> f64 {
        let text = line.split_once(before).unwrap().1;
        text.split_once(after).unwrap().0.parse().unwrap()
    };
    let (view, times, orders) = (number(" in ", " ms"), number(" ms, ", " times"), number("now take ", " ms"));
    assert!((orders / view - times).abs() < 0.051, "{line}");
}

#[test]
fn a_new_project_is_valid_and_is_not_written_over() {
    let project = Project::new();
    Run::of(&mut project.command(&["init"])).expect(0);
    Run::of(&mut project.command(&["validate"])).expect(0);
    Run::of(&mut project.command(&["init"])).expect(1);
    let schema = Run::of(&mut project.command(&["json-schema"])).expect(0);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    Run::of(&mut project.command(&["completions", "bash"])).expect(0);
}

#[test]
fn the_example_of_index_forms_converges_as_it_stands() {
    let (database, project) = (Database::new(newest()), Project::new());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/index-forms");
    database.sql(&std::fs::read_to_string(example.join("table.sql")).unwrap());
    project.write("schema/forms.yaml", std::fs::read(example.join("schema/forms.yaml")).unwrap());
    project.apply(&database);
    project.expect_no_changes(&database);
}

/// A session that keeps a transaction open on a table for some seconds.
fn hold(database: &Database, seconds: u32) -> std::process::Child {
    let psql = database.version.installation().program("psql").unwrap();
    let sql = format!("BEGIN; SELECT 1 FROM t LIMIT 1; SELECT pg_sleep({seconds})");
    let mut command = Command::new(psql);
    let child = command.args(["-X", "-q", "-c", &sql, &database.url()]).stdout(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_millis(700));
    child
}

#[test]
fn a_build_behind_an_old_transaction_names_it_and_leaves_nothing() {
    let (database, project) = (Database::new(newest()), Project::with("tables: { t: { indexes: { i: [a] } } }\n"));
    database.sql("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
    project.write("reconcile.yaml", "version: 1\ndefaults: { build_timeout: 1s }\n");
    let mut holder = hold(&database, 30);
    let run = project.run(&database, &["apply", "--auto-approve"]).expect_said(5, "gave up waiting for process");
    assert!(run.stderr.contains("pg_sleep"), "{run}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass"), "0");
    holder.kill().unwrap();
    holder.wait().unwrap();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()");
    project.apply(&database);
    project.expect_no_changes(&database);
}

#[test]
fn a_unique_build_over_duplicates_says_which_and_leaves_nothing() {
    let schema = "tables: { t: { indexes: { i: { columns: [a], unique: true } } } }\n";
    let (database, project) = (Database::new(newest()), Project::with(schema));
    database.sql("CREATE TABLE t (a integer); INSERT INTO t VALUES (7), (7)");
    project.run(&database, &["apply", "--auto-approve"]).expect_said(1, "Key (a)=(7) is duplicated");
    assert_eq!(database.sql("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass"), "0");
    let outcome = database.sql("SELECT outcome FROM reconcile.run");
    assert_eq!(outcome, "failed");
}

#[test]
fn a_request_to_stop_ends_cleanly_and_the_next_apply_goes_on() {
    let (database, project) = (Database::new(newest()), Project::with("tables: { t: { indexes: { i: [a] } } }\n"));
    database.sql("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
    let mut holder = hold(&database, 20);
    let mut command = project.command(&["apply", "--auto-approve"]);
    let child =
        command.env("DATABASE_URL", database.url()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_secs(3));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("not done: index/public.t/i") && said.contains("stopped on request"), "{said}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' AND pid <> pg_backend_pid()");
    project.apply(&database);
    project.expect_no_changes(&database);
}
