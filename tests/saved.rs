//! Saved plans, locks, approval and usage: everything that ends with an exit code of its own.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Database, Project, Run, newest};

const SCHEMA: &str = "tables: { t: { indexes: { i: [a], j: { columns: [b], where: a > 1 } } } }\n";

/// `crates/apply/src/lock.rs`: "reconcil" in ASCII.
const LOCK: i64 = 0x7265_636f_6e63_696c;

fn planned() -> (Database, Project) {
    let (database, project) = (Database::new(newest()), Project::with(SCHEMA));
    database.sql("CREATE TABLE t (id integer PRIMARY KEY, a integer, b text); CREATE TABLE u (a integer)");
    project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
    (database, project)
}

fn apply_saved(project: &Project, database: &Database) -> Run {
    project.run(database, &["apply", "plan.json", "--auto-approve"])
}

/// It exits with 3 and has written nothing.
fn expect_stale(project: &Project, database: &Database, words: &str) {
    let before = database.indexes();
    apply_saved(project, database).expect_said(3, words);
    assert_eq!(before, database.indexes());
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
}

#[test]
fn a_saved_plan_is_shown_and_applied() {
    let (database, project) = planned();
    let plan = project.run(&database, &["plan"]).expect(0).stdout;
    assert_eq!(plan, project.run(&database, &["show", "plan.json"]).expect(0).stdout);
    for format in ["json", "markdown", "sql"] {
        project.run(&database, &["show", "plan.json", "--format", format]).expect(0);
    }
    let shown = project.run(&database, &["show", "plan.json", "--json"]).expect(0).json();
    assert_eq!(shown, serde_json::from_str::<serde_json::Value>(&project.read("plan.json")).unwrap());
    let run = apply_saved(&project, &database).expect(0);
    assert!(run.stdout.contains("Applied: 2 changes"), "{run}");
    project.expect_no_changes(&database);
    apply_saved(&project, &database).expect_said(3, "stale");
}

#[test]
fn a_saved_plan_is_stale_after_a_change_that_it_relies_on() {
    let (database, project) = planned();
    database.sql("CREATE INDEX i ON t (a)");
    expect_stale(&project, &database, "the database has changed");
    database.sql("DROP INDEX i");
    project.write("schema/tables.yaml", SCHEMA.replace("[a]", "[a, b]"));
    expect_stale(&project, &database, "the declared files have changed");
    project.write("schema/tables.yaml", SCHEMA);
    database.sql("DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, a integer, b text)");
    expect_stale(&project, &database, "the database has changed");
}

#[test]
fn a_saved_plan_is_stale_when_a_column_that_it_needs_has_another_type() {
    let (database, project) = planned();
    database.sql("ALTER TABLE t ALTER b TYPE varchar");
    expect_stale(&project, &database, "index/public.t/j");
    database.sql("ALTER TABLE t ALTER b TYPE text, ALTER a TYPE bigint");
    expect_stale(&project, &database, "index/public.t/i");
    database.sql("ALTER TABLE t ALTER a TYPE integer, ALTER id TYPE bigint");
    apply_saved(&project, &database).expect(0);

    let project = Project::with("materialized_views: { v: { query: SELECT a FROM t } }\ntables: { t: {} }");
    project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
    database.sql("DROP INDEX j; ALTER TABLE t ALTER a TYPE bigint");
    apply_saved(&project, &database).expect_said(3, "matview/public.v");
}

/// Each index uses the column in another way, and is planned and changed alone.
#[test]
fn a_saved_plan_is_stale_when_a_column_is_otherwise_wherever_an_index_uses_it() {
    let database = Database::new(newest());
    database.sql(
        "CREATE TABLE t (a integer, b text, c integer, d text, g text GENERATED ALWAYS AS (d || 'x') STORED);
         CREATE FUNCTION of_row(t) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 1';
         CREATE INDEX theirs ON t (c); CREATE INDEX replaced ON t (a)",
    );
    let type_of_c = ("ALTER TABLE t ALTER c TYPE bigint", "ALTER TABLE t ALTER c TYPE integer");
    let collation =
        (r#"ALTER TABLE t ALTER b TYPE text COLLATE "C""#, r#"ALTER TABLE t ALTER b TYPE text COLLATE "default""#);
    let generation =
        ("ALTER TABLE t ALTER g SET EXPRESSION AS (d || 'z')", "ALTER TABLE t ALTER g SET EXPRESSION AS (d || 'x')");
    let indexes = [
        ("columns: [b]", collation),
        ("columns: [{ expression: lower(b) }]", collation),
        ("columns: [a], where: b > 'x'", collation),
        ("columns: [a], include: [c]", type_of_c),
        ("columns: [a, { expression: (c + 1) }]", type_of_c),
        ("columns: [a], where: c > 1", type_of_c),
        ("columns: [{ expression: of_row(t) }]", type_of_c),
        ("columns: [g]", generation),
        ("columns: [{ expression: lower(g) }]", generation),
    ];
    let named = |name: &str, spec: &str| format!("tables: {{ t: {{ indexes: {{ {name}: {{ {spec} }} }} }} }}");
    let mut all: Vec<_> = indexes.iter().map(|(spec, change)| (named("i", spec), *change)).collect();
    // The definition of one that is to be replaced is known from another index.
    all.push((named("replaced", "columns: [c]"), type_of_c));
    // One of them is built beside the other one.
    all.push(("tables: { t: { indexes: { theirs: [c], i: [c] } } }".to_owned(), type_of_c));
    for (declared, (change, back)) in all {
        let project = Project::with(&declared);
        project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
        database.sql(change);
        expect_stale(&project, &database, "the database has changed");
        database.sql(back);
    }
}

#[test]
fn a_saved_plan_is_stale_when_a_column_of_a_view_is_otherwise() {
    let (database, _) = planned();
    let view = |indexes: &str| {
        Project::with(format!("materialized_views: {{ v: {{ query: \"SELECT a, b FROM t\", {indexes} }} }}"))
    };
    let project = view("indexes: { i: [{ expression: lower(b) }] }");
    project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
    database.sql("ALTER TABLE t ALTER b TYPE varchar");
    expect_stale(&project, &database, "matview/public.v");
    database.sql("CREATE MATERIALIZED VIEW v AS SELECT a, b FROM t");
    project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
    database.sql(
        "DROP MATERIALIZED VIEW v; ALTER TABLE t ALTER b TYPE text; CREATE MATERIALIZED VIEW v AS SELECT a, b FROM t",
    );
    expect_stale(&project, &database, "index/public.v/i");
}

#[test]
fn a_saved_plan_is_stale_when_its_table_is_gone() {
    let (database, project) = planned();
    database.sql("DROP TABLE t");
    expect_stale(&project, &database, "");
}

#[test]
fn a_saved_plan_is_stale_when_a_column_is_gone() {
    let (database, project) = planned();
    database.sql("ALTER TABLE t DROP COLUMN b");
    expect_stale(&project, &database, "");
}

#[test]
fn a_saved_plan_is_for_one_database() {
    let (database, project) = planned();
    let other = Database::new(newest());
    other.sql("CREATE TABLE t (id integer PRIMARY KEY, a integer, b text)");
    expect_stale(&project, &other, "another database");
    apply_saved(&project, &database).expect(0);
}

#[test]
fn a_change_elsewhere_does_not_make_a_plan_stale() {
    let (database, project) = planned();
    database.sql("CREATE INDEX elsewhere ON u (a); DROP TABLE IF EXISTS v; CREATE TABLE v (a integer); INSERT INTO t VALUES (1, 1, 'x');");
    project.write("README.md", "unrelated");
    apply_saved(&project, &database).expect(0);
    project.expect_no_changes(&database);
}

#[test]
fn a_saved_plan_is_input_like_any_other() {
    let (database, project) = planned();
    let (whole, before) = (project.read("plan.json"), database.indexes());
    let edited = [
        whole[..whole.len() / 2].to_owned(),
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        "not json".to_owned(),
        whole.replace("\"format_version\": 1", "\"format_version\": 2"),
        whole.replace("\"format_version\": 1", "\"format_version\": \"1\""),
        whole.replace("index/public.t/i", "index/public.t"),
        whole.replace("index/public.t/i", "matter/public.t/i"),
        whole.replace("\"create\"", "\"destroy\""),
        whole.replace("ShareUpdateExclusiveLock", "NoLock"),
        whole.replace("\"steps\"", "\"stops\""),
        whole.replace("index_build", "nothing"),
    ];
    for text in &edited {
        assert_ne!(*text, whole, "the edit found nothing to change");
        project.write("plan.json", text);
        apply_saved(&project, &database).expect_said(1, "plan.json");
        project.run(&database, &["show", "plan.json"]).expect_said(1, "plan.json");
    }
    // Whatever the file says to run, it is what would be planned now, or it is not run.
    let smuggled = [
        whole.replace("CREATE INDEX CONCURRENTLY i ", "DROP TABLE u; CREATE INDEX CONCURRENTLY i "),
        whole.replace("ON public.t USING btree (a)", "ON public.u USING btree (a)"),
        whole.replace("\"registry_schema\": \"reconcile\"", "\"registry_schema\": \"elsewhere\""),
        whole.replace("\"search_path\": [", "\"search_path\": [\"elsewhere\","),
    ];
    for text in &smuggled {
        assert_ne!(*text, whole, "the edit found nothing to change");
        project.write("plan.json", text);
        let run = apply_saved(&project, &database);
        assert!(run.code == 3 || run.code == 1, "{run}");
        assert_eq!(before, database.indexes());
        assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('reconcile', 'elsewhere')"), "0");
    }
    database.sql("SELECT FROM u");
    project.run(&database, &["apply", "missing.json"]).expect_said(1, "missing.json");
}

#[test]
fn another_run_locks_this_one_out() {
    let (database, project) = planned();
    let holder = hold(&database, &format!("SELECT pg_advisory_lock({LOCK}); SELECT pg_sleep(60)"));
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    let end = Instant::now() + Duration::from_secs(10);
    while database.sql(held) == "0" {
        assert!(Instant::now() < end, "nobody holds the lock");
        sleep(Duration::from_millis(20));
    }
    let before = database.indexes();
    let run = apply_saved(&project, &database).expect_said(6, "another run holds the lock");
    assert!(run.stderr.contains("process "), "{run}");
    project.run(&database, &["apply", "--auto-approve"]).expect(6);
    assert_eq!(before, database.indexes());
    project.run(&database, &["plan"]).expect(0);
    end_of(holder, &database);
    apply_saved(&project, &database).expect(0);
}

/// A session of somebody else's, in the background.
fn hold(database: &Database, sql: &str) -> Child {
    let psql = database.version.installation().program("psql").expect("psql is on this machine");
    let mut command = Command::new(psql);
    command.args(["-X", "-q", "-c", sql, "-d", &database.url()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap()
}

fn end_of(mut holder: Child, database: &Database) {
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' \
        AND datname = current_database() AND pid <> pg_backend_pid()";
    database.sql(others);
    holder.wait().unwrap();
}

#[test]
fn nobody_approves_without_a_terminal() {
    let (database, project) = planned();
    let before = database.indexes();
    project.run(&database, &["apply"]).expect_said(4, "approval is needed");
    project.run(&database, &["apply", "plan.json"]).expect(4);
    project.run(&database, &["--json", "apply"]).expect(4);
    project.write("reconcile.yaml", "version: 1\nsafety: { forbid: [index_build] }\n");
    project.run(&database, &["apply", "--auto-approve", "--allow", "all"]).expect_said(4, "index_build");
    assert_eq!(before, database.indexes());
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
}

#[test]
fn mistakes_in_the_arguments_exit_with_64() {
    let (database, project) = planned();
    let wrong: [&[&str]; 7] = [
        &["plann"],
        &["plan", "--detailed"],
        &["plan", "--format", "xml"],
        &["plan", "--only", "stock"],
        &["apply", "--allow", "everything"],
        &["show"],
        &[],
    ];
    for args in wrong {
        let run = project.run(&database, args).expect(64);
        assert!(!run.stderr.is_empty(), "{args:?}");
    }
    for args in [["--version"], ["--help"]] {
        assert!(!project.run(&database, &args).expect(0).stdout.is_empty());
    }
}

#[test]
fn an_unreachable_database_is_an_error_without_its_password() {
    let project = Project::with(SCHEMA);
    for url in [
        "postgres://me:hunter2@127.0.0.1:1/nowhere",
        "postgres://me:hunter2@/nowhere?host=/nonexistent",
        "postgres://me:hunter2@[::1:9/x",
        "host=127.0.0.1 port=1 user=me password=hunter2",
        "hunter2",
    ] {
        let run = project.run_at(url, &["plan"]).expect(1);
        assert!(url == "hunter2" || !run.to_string().contains("hunter2"), "{run}");
        assert!(run.stderr.starts_with("error: "), "{run}");
        let flag = project.command(&["--database-url", url, "plan", "--json"]).output().unwrap();
        assert_eq!(flag.status.code(), Some(1));
        assert!(url == "hunter2" || !String::from_utf8_lossy(&flag.stdout).contains("hunter2"));
    }
}

#[test]
fn events_of_an_apply_are_json_lines() {
    let (database, project) = planned();
    let run = project.run(&database, &["--json", "apply", "--auto-approve"]).expect(0);
    let events: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().take(2).map(|event| &event["event"]).collect();
    assert_eq!(names, ["planned", "started"]);
    assert_eq!(events.last().unwrap()["event"], "done");
    assert_eq!(events.last().unwrap()["changes"], 2);
    assert_eq!(events.iter().filter(|event| event["event"] == "step").count(), 2);
}

#[test]
fn a_saved_plan_is_applied_whole() {
    let (database, project) = planned();
    project.run(&database, &["apply", "plan.json", "--only", "index/t/i", "--auto-approve"]).expect(64);
}

/// What a pull request's role planned, the role that may write applies.
#[test]
fn a_plan_of_a_role_that_may_only_read_can_be_applied() {
    let (database, project) = planned();
    let name = &database.name;
    database.sql(&format!(
        "DROP ROLE IF EXISTS planner; CREATE ROLE planner LOGIN; GRANT SELECT ON t TO planner; \
         REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO planner"
    ));
    let rule = "retention: { u2: { column: at, retain_for: 30 days } }\n";
    database.sql("CREATE TABLE u2 (at timestamptz); GRANT SELECT ON u2 TO planner");
    project.write("schema/tables.yaml", format!("{SCHEMA}{rule}"));
    project.run_at(&database.url_as("planner"), &["plan", "--out", "plan.json"]).expect(0);
    project.run(&database, &["apply", "plan.json", "--auto-approve", "--allow", "deletes_data"]).expect(0);
    project.expect_no_changes(&database);
    database.sql("DROP OWNED BY planner; DROP ROLE planner");
}

/// libpq's services fill in what a URL does not say.
#[test]
fn a_service_does_not_lead_to_another_database() {
    let (database, project) = planned();
    project.write("services", "[other]\ndbname=postgres\nuser=nobody_at_all\n");
    let mut command = project.command(&["plan"]);
    command.env("DATABASE_URL", database.url()).env("PGSERVICE", "other");
    let run = Run::of(command.env("PGSERVICEFILE", project.path().join("services"))).expect(0);
    assert!(run.stdout.contains("Plan: 2 to create"), "{run}");
}
