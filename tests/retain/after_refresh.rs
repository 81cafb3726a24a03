//! Rules that have views refreshed before their rows go: no row goes that the views have not seen.

use std::time::Duration;

use serde_json::Value;

use crate::common::{
    Database, Project, Run,
    cron::{self, NAME},
    newest, versions,
};

/// Two rows a day; the summary fails as soon as one of them is 0.
const TABLES: &str = "CREATE TABLE log (id serial, at timestamptz, n int);
    CREATE TABLE other (id int, at timestamptz);
    INSERT INTO log (at, n) SELECT now() - i * interval '12 hours', 1 FROM generate_series(1, 200) i;
    INSERT INTO other SELECT i, now() - i * interval '1 day' FROM generate_series(1, 100) i";

/// The order of names is the contrary of that in which the views read each other.
const YAML: &str = r#"
materialized_views:
  a: { query: SELECT part FROM b }
  b: { query: SELECT sum(100 / n) AS part FROM log }
retention:
  log: { column: at, retain_for: 30 days, after_refresh: [a, b], vacuum: false, schedule: "0 2 * * *" }
  other: { column: at, retain_for: 30 days, vacuum: false, schedule: "0 2 * * *" }
"#;

const BEFORE: &str = "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM other)";

const RULES: &str = "SELECT rule, action, rows_affected, outcome, message FROM reconcile.retention_run \
    WHERE run = (SELECT max(run) FROM reconcile.retention_run) ORDER BY id";

const VIEWS: &str = "SELECT view_name, outcome FROM reconcile.refresh_run \
    WHERE run = (SELECT max(run) FROM reconcile.refresh_run) ORDER BY id";

struct Place {
    database: Database,
    project: Project,
}

impl Place {
    fn new(version: &'static crate::common::Version, yaml: &str) -> Self {
        let (database, project) = (Database::new(version), Project::with(yaml));
        project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 200ms, retries: 2 }\n");
        database.sql(TABLES);
        project.apply(&database);
        Self { database, project }
    }

    fn run(&self, args: &[&str]) -> Run {
        self.project.run(&self.database, args)
    }

    fn sql(&self, sql: &str) -> String {
        self.database.sql(sql)
    }
}

#[test]
fn views_are_refreshed_in_order_before_rows_go() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, YAML);
        place.sql("INSERT INTO log (at, n) VALUES (now() - interval '50 days', 1)");
        let said = place.run(&["retain", "--dry-run"]).expect(0).stderr;
        assert!(said.contains("public.log: before any row goes, the run refreshes public.a, public.b"), "{said}");
        assert_eq!(place.sql("SELECT count(*) FROM reconcile.refresh_run"), "0");
        let run = place.run(&["retain", "--json"]).expect(0);
        let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names = lines
            .iter()
            .map(|line| line.get("view_name").or_else(|| line.get("table_name")).unwrap().as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["public.b", "public.a", "public.log", "public.other"]);
        assert_eq!(place.sql(VIEWS), "public.b|done\npublic.a|done");
        // What went is in them.
        assert_eq!(place.sql("SELECT part, (SELECT count(*) FROM log) FROM a"), "20100|59");
        let run = place.run(&["retain"]).expect(0);
        assert!(run.stdout.starts_with("view_name") && run.stdout.contains("\n\ntable_name"), "{run}");
        place.project.expect_no_changes(&place.database);
    }
}

#[test]
fn where_a_refresh_fails_no_row_goes() {
    for yaml in [YAML.to_owned(), YAML.replace("[a, b]", "[a, b], action: archive, archive_to: file:kept")] {
        let place = Place::new(newest(), &yaml);
        place.sql("INSERT INTO log (at, n) VALUES (now(), 0)");
        let run = place.run(&["retain"]).expect(1);
        assert!(run.stdout.contains("not begun: public.b was not refreshed: division by zero"), "{run}");
        assert_eq!(place.sql(BEFORE), "201|29");
        let action = if yaml == YAML { "DELETE" } else { "ARCHIVE" };
        let expected = format!(
            "public.log|{action} (>30 days)|0|skipped|not begun: public.b was not refreshed: division by zero\n\
             public.other|DELETE (>30 days)|71|done|"
        );
        assert_eq!(place.sql(RULES), expected);
        assert_eq!(place.sql(VIEWS), "public.b|failed\npublic.a|skipped");
        assert_eq!(place.sql("SELECT count(*) FROM reconcile.archive_file"), "0");
        // A view that is no longer managed may be anything.
        place.sql("DELETE FROM log WHERE n = 0");
        place.run(&["forget", "matview/public.a"]).expect(0);
        let run = place.run(&["retain", "log"]).expect(1);
        assert!(run.stdout.contains("not begun: no materialized view public.a is applied"), "{run}");
        assert_eq!(place.sql(BEFORE), "200|29");
        place.project.apply(&place.database);
        place.run(&["retain", "log"]).expect(0);
        assert_eq!(place.sql(BEFORE), "59|29");
    }
}

#[test]
fn where_somebody_else_refreshes_the_rule_waits_for_another_run() {
    let place = Place::new(newest(), YAML);
    let held =
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'b'::regclass";
    let url = place.database.url();
    let psql = place.database.version.server().installation().program("psql").unwrap();
    let lock = "BEGIN; ALTER MATERIALIZED VIEW b RENAME part TO p; SELECT pg_sleep(60)";
    let mut theirs = std::process::Command::new(psql).args(["-X", "-q", "-d", &url, "-c", lock]).spawn().unwrap();
    while place.sql(held) != "1" {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.run(&["retain"]).expect(6);
    theirs.kill().unwrap();
    theirs.wait().unwrap();
    assert_eq!(place.sql(BEFORE), "200|29");
    let why = "public.log|skipped|not begun: public.b was not refreshed: it is being refreshed or changed already, by process";
    let rules = place.sql(RULES);
    assert!(rules.replace("|DELETE (>30 days)|0", "").starts_with(why), "{rules}");
}

#[test]
fn the_cut_off_is_taken_before_the_refresh() {
    let slow =
        "\"SELECT sum(100 / n) AS part, pg_sleep(CASE WHEN count(*) = 201 THEN 5 ELSE 0 END)::text AS s FROM log\"";
    let yaml = YAML.replace("SELECT sum(100 / n) AS part FROM log", slow);
    let place = Place::new(newest(), &yaml);
    place.sql("INSERT INTO log (at, n) VALUES (now() - interval '30 days' + interval '4 seconds', 1)");
    place.run(&["retain", "log"]).expect(0);
    assert_eq!(place.sql("SELECT count(*), max(id) FROM log WHERE at < now() - interval '30 days'"), "1|201");
    assert_eq!(place.sql("SELECT part FROM b"), "20100");
}

#[test]
fn who_interrupts_the_refresh_keeps_the_rows() {
    let slow = YAML.replace(
        "SELECT sum(100 / n) AS part FROM log",
        "\"SELECT sum(100 / n) AS part, pg_sleep(count(*) - 200)::text AS s FROM log\"",
    );
    let place = Place::new(newest(), &slow);
    place.sql("INSERT INTO log (at, n) SELECT now(), 1 FROM generate_series(1, 60)");
    let mut client = place.project.command(&["retain", "log"]);
    let client = client.env("DATABASE_URL", place.database.url()).stdout(std::process::Stdio::null());
    let mut client = client.spawn().unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REFRESH%' AND datname = current_database() AND state = 'active'";
    while place.sql(running) != "1" {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::process::Command::new("kill").args(["-TERM", &client.id().to_string()]).status().unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(5));
    let why = "public.log|DELETE (>30 days)|0|skipped|not begun: public.b was not refreshed: it was interrupted";
    assert_eq!(place.sql(RULES), why);
    assert_eq!(place.sql(BEFORE), "260|100");
}

#[test]
fn maintain_refreshes_such_a_view_once() {
    let yaml = YAML.replace("part FROM b }", "part FROM b, refresh: { schedule: \"0 3 * * *\" } }");
    let place = Place::new(newest(), &yaml);
    let pass = || {
        place.sql(
            "UPDATE reconcile.resource SET since = since - interval '25 hours';
        UPDATE reconcile.retention_run SET started_at = started_at - interval '25 hours';
        UPDATE reconcile.refresh_run SET started_at = started_at - interval '25 hours'",
        )
    };
    pass();
    place.run(&["maintain"]).expect(0);
    let runs = "SELECT string_agg(view_name || ' ' || outcome, ', ' ORDER BY id) FROM reconcile.refresh_run";
    assert_eq!(place.sql(runs), "public.b done, public.a done");
    assert_eq!(place.sql(BEFORE), "59|29");
    // What did not come about before the rule is due still.
    pass();
    place.sql("INSERT INTO log (at, n) VALUES (now(), 0); TRUNCATE reconcile.refresh_run");
    place.run(&["maintain"]).expect(1);
    assert_eq!(place.sql(runs), "public.b failed, public.a skipped, public.a done");
}

#[test]
fn the_procedure_of_a_rule_refreshes_first() {
    for place in cron::Place::all(TABLES, &YAML.replace("FROM log }", "FROM log, refresh: { timeout: 60s } }")) {
        let plan = place.run(&["plan"]).expect(0).stdout;
        let note =
            "pg_cron does not hold the refresh of public.b to its `timeout` of 60000 ms; `reconcile retain` does";
        assert!(plan.contains(note), "{plan}");
        place.apply();
        place.expect_no_changes();
        let call = || place.server.psql(NAME, "CALL reconcile.\"retain:public.log\"()");
        place.sql("INSERT INTO log (at, n) VALUES (now(), 0)");
        let error = call().unwrap_err().to_string();
        let why = "not begun: public.b was not refreshed: division by zero";
        assert!(error.contains(why), "{error}");
        assert_eq!(place.sql(RULES), format!("public.log|DELETE (>30 days)|0|skipped|{why}"));
        assert_eq!(place.sql(VIEWS), "public.b|failed\npublic.a|skipped");
        assert_eq!(place.sql(BEFORE), "201|100");
        place.sql("DELETE FROM log WHERE n = 0");
        // Somebody is at work on a view.
        let lock = format!(
            "SELECT pg_advisory_lock({}, 'b'::regclass::oid::int), pg_sleep(3)",
            reconcile_core::postgres::lock::RUN_LOCK
        );
        std::thread::scope(|scope| {
            scope.spawn(|| place.server.psql(NAME, &lock));
            place.wait_until("nobody holds the lock", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "1");
            assert!(call().unwrap_err().to_string().contains("it is being refreshed or changed already"));
        });
        assert_eq!(place.sql(BEFORE), "200|100");
        // The cut-off is older than the views.
        place.sql("INSERT INTO log (at, n) VALUES (now() - interval '30 days' + interval '3 seconds', 1)");
        std::thread::scope(|scope| {
            scope.spawn(|| place.server.psql(NAME, "BEGIN; LOCK TABLE log; SELECT pg_sleep(4); COMMIT"));
            let held =
                "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'log'::regclass";
            place.wait_until("nobody holds the table", held, "1");
            call().unwrap();
        });
        assert_eq!(place.sql("SELECT count(*), max(id) FROM log WHERE at < now() - interval '30 days'"), "1|202");
        assert_eq!(place.sql("SELECT part, (SELECT count(*) FROM log) FROM a"), "20100|60");
        place.run(&["forget", "matview/public.b"]).expect(0);
        assert!(call().unwrap_err().to_string().contains("public.b was not refreshed: it is no longer applied"));
        // Without such views the procedure is as it was before there were any.
        place.project.write("schema/tables.yaml", YAML.replace("after_refresh: [a, b], ", ""));
        place.expect_planned("differs in after_refresh");
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql("SELECT count(*) FROM pg_proc WHERE proname ~ '^retain:' AND prosrc ~ 'refreshed'"), "0");
    }
}
