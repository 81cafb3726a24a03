//! Materialized views over plain views that a migration makes over other materialized views: a plan of each stage.

use crate::common::{Database, Project, newest, versions};

const VIEWS: &str = "materialized_views:
  first: { query: SELECT a FROM t, indexes: { first_key: { columns: [a], unique: true } } }
  second: { query: SELECT a FROM between, indexes: { second_key: [a] }, refresh: { schedule: 0 3 * * * } }
  third: { query: SELECT a FROM second }
";

fn started(views: &str) -> (Database, Project) {
    let (database, project) = (Database::new(newest()), Project::with(views));
    database.sql("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
    (database, project)
}

#[test]
fn what_can_be_planned_is_applied_and_the_rest_is_named() {
    for version in versions() {
        let (database, project) = (Database::new(version), Project::with(VIEWS));
        database.sql("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
        let run = project.run(&database, &["plan", "--out", "saved"]).expect(5);
        for said in [
            "+ matview/public.first",
            "note: matview/public.second: left out: relation \"between\" does not exist; if a migration makes it",
            "note: matview/public.third: left out: relation \"second\" does not exist; it is left out as well",
            "Plan: 1 to create",
        ] {
            assert!(run.stdout.contains(said), "{said}: {run}");
        }
        assert!(run.stderr.contains("not all: 2 declared views are left out"), "{run}");
        project.run(&database, &["plan", "--detailed-exitcode"]).expect(5);
        let plan = project.run(&database, &["plan", "--json"]).expect(5).json();
        assert_eq!(plan["notes"].as_array().unwrap().iter().filter(|note| note["left_out"] == true).count(), 2);
        project.run(&database, &["apply", "saved", "--auto-approve"]).expect(5);
        // The next stage needs the migration: without it there is nothing to plan, and the query is a mistake.
        project.run(&database, &["plan"]).expect_said(1, "relation \"between\" does not exist");
        database.sql("CREATE VIEW between AS SELECT a FROM first");
        project.run(&database, &["apply", "--auto-approve"]).expect(0);
        project.expect_no_changes(&database);
        assert_eq!(database.sql("SELECT a FROM third"), "1");
    }
}

#[test]
fn a_stage_is_stale_once_its_migration_has_run() {
    let (database, project) = started(VIEWS);
    project.run(&database, &["plan", "--out", "saved"]).expect(5);
    database.sql("CREATE VIEW between AS SELECT a FROM t");
    project.run(&database, &["apply", "saved", "--auto-approve"]).expect(3);
    project.run(&database, &["apply", "--auto-approve"]).expect(0);
    project.expect_no_changes(&database);
}

#[test]
fn a_replacement_waits_as_well_and_keeps_what_is_there() {
    let (database, project) = started("materialized_views:\n  second: { query: SELECT a FROM t }\n");
    project.apply(&database);
    project.write("schema/tables.yaml", VIEWS);
    let run = project.run(&database, &["apply", "--auto-approve", "--allow", "all"]).expect(5);
    assert!(run.stdout.contains("matview/public.second: left out"), "{run}");
    assert_eq!(database.sql("SELECT (SELECT a FROM first), (SELECT a FROM second)"), "1|1");
}

#[test]
fn mistakes_are_shown_together_and_nothing_is_planned() {
    let (database, project) = started(&format!("{VIEWS}  wrong: {{ query: SELECT b FROM t }}\n"));
    let run = project.run(&database, &["plan"]).expect(1);
    assert!(run.stderr.contains("\"between\" does not exist") && run.stderr.contains("\"b\" does not exist"), "{run}");
    // What a plan leaves out on request is no mistake of it.
    let run = project.run(&database, &["plan", "--exclude", "matview/public.wrong"]).expect(5);
    assert!(run.stdout.contains("+ matview/public.first"), "{run}");
    // What the plan finds without the server counts as well.
    project.write("schema/tables.yaml", format!("{VIEWS}tables: {{ nowhere: {{ indexes: {{ i: [a] }} }} }}\n"));
    let run = project.run(&database, &["plan"]).expect(1);
    assert!(run.stderr.contains("\"between\" does not exist") && run.stderr.contains("`public.nowhere`"), "{run}");
    // Where no view is created, nothing can be made over it.
    project.write("schema/tables.yaml", "materialized_views: { one: { query: SELECT a FROM nowhere } }\n");
    project.run(&database, &["plan"]).expect_said(1, "relation \"nowhere\" does not exist");
}
