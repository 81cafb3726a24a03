//! Roles that may only read, standbys, and the traces that a plan does not leave.

use reconcile_scratch::{Options, Server};

use crate::common::{Database, Project, Run, Version, newest, versions};

const TABLES: &str = "CREATE SCHEMA sales; CREATE TABLE sales.t (id integer PRIMARY KEY, a integer, status varchar(9));
    CREATE INDEX theirs ON sales.t (a) WHERE status IN ('x', 'y');
    CREATE TABLE sales.p (a integer) PARTITION BY RANGE (a); CREATE TABLE sales.p1 PARTITION OF sales.p DEFAULT;";

const SCHEMA: &str = r#"
tables:
  sales.t:
    indexes:
      plain: [a desc]
      partial: { columns: [a], where: "status IN ('a', 'b')" }
      expression: [{ expression: "coalesce(status, 'none')" }]
      satisfied: { columns: [a], where: "(status = 'x' OR FALSE) IS NOT NULL AND status IN ('x', 'y')" }
      theirs: { columns: [a], where: "status IN ('x', 'y')" }
  sales.p: { indexes: { whole: [a] } }
"#;

/// A database, and a role that has CONNECT, USAGE and SELECT there and nothing else.
fn readable(version: &'static Version, role: &str) -> Database {
    let database = Database::new(version);
    let name = &database.name;
    database.sql(&format!(
        "{TABLES} DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; REVOKE ALL ON DATABASE {name} FROM PUBLIC; \
         REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {role}; \
         GRANT USAGE ON SCHEMA sales TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA sales TO {role};"
    ));
    database
}

/// The plan as text, without what differs from one run to the next.
fn plan(project: &Project, url: &str) -> String {
    let run: Run = project.run_at(url, &["plan"]).expect(0);
    run.stdout
}

#[test]
fn a_role_that_may_only_read_plans_the_same() {
    for version in versions() {
        for temporary in [true, false] {
            let database = readable(version, "reader");
            if temporary {
                database.sql(&format!("GRANT TEMPORARY ON DATABASE {} TO PUBLIC", database.name));
            }
            let (project, url) = (Project::with(SCHEMA), database.url_as("reader"));
            let traces = database.traces();
            let as_owner = plan(&project, &database.url());
            assert!(as_owner.contains("to create"), "{as_owner}");
            assert_eq!(as_owner, plan(&project, &url), "TEMPORARY {temporary} on {}", version.major());
            project.run_at(&url, &["import", "--all", "--out", "imported"]).expect(0);
            assert_eq!(traces, database.traces());

            // After an apply the registry tells it most; without the right to read it, the server does.
            project.apply(&database);
            project.expect_no_changes(&database);
            let traces = database.traces();
            let unprivileged = project.run_at(&url, &["plan", "--detailed-exitcode"]);
            let unprivileged = unprivileged.expect(0);
            database.sql(
                "GRANT USAGE ON SCHEMA reconcile TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO reader",
            );
            let run = project.run_at(&url, &["plan", "--detailed-exitcode"]).expect(0);
            assert!(
                run.stdout.ends_with("No changes. The database matches the declared state.\n"),
                "{run}\n{unprivileged}"
            );
            project.run_at(&url, &["import", "--all", "--out", "again"]).expect(0);
            assert!(traces.lines().next() != Some(""), "{traces}");
        }
    }
}

#[test]
fn a_role_that_may_only_read_cannot_apply() {
    let database = readable(newest(), "onlooker");
    let (project, traces) = (Project::with(SCHEMA), database.traces());
    let run = project.run_at(&database.url_as("onlooker"), &["apply", "--auto-approve"]);
    assert_ne!(run.code, 0, "{run}");
    assert!(run.stderr.contains("permission denied"), "{run}");
    assert_eq!(traces, database.traces());
}

#[test]
fn a_table_that_may_not_be_read_is_said_so() {
    let database = readable(newest(), "blind");
    database.sql("REVOKE ALL ON SCHEMA sales FROM blind");
    let run = Project::with(SCHEMA).run_at(&database.url_as("blind"), &["plan"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("permission denied") && run.stderr.contains("hint:"), "{run}");
}

#[test]
fn a_plan_leaves_no_trace() {
    for version in versions() {
        let (database, project) = (Database::new(version), Project::with(SCHEMA));
        database.sql(TABLES);
        let settled = |database: &Database| format!("{}\n{}", database.traces(), database.indexes());
        let before = settled(&database);
        project.run(&database, &["plan"]).expect(0);
        assert_eq!(before, settled(&database));
        assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");

        project.apply(&database);
        let (before, logged) = (settled(&database), database.log().len());
        project.expect_no_changes(&database);
        let log = database.log().split_off(logged);
        let words = ["CREATE", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE", "COMMENT", "GRANT", "pg_advisory"];
        for line in &log {
            assert!(!words.iter().any(|word| line.contains(word)), "a plan without changes ran: {line}");
        }
        assert!(!log.is_empty());
        assert_eq!(before, settled(&database));
    }
}

/// What has to be asked is asked on temporary tables, in a transaction that is rolled back.
#[test]
fn a_probe_is_temporary_and_rolled_back() {
    let (database, project) = (Database::new(newest()), Project::with(SCHEMA));
    database.sql(TABLES);
    let logged = database.log().len();
    project.run(&database, &["plan"]).expect(0);
    let log = database.log().split_off(logged);
    let text = log.join("\n");
    assert!(text.contains("CREATE TEMPORARY TABLE") && text.contains("ROLLBACK"), "{text}");
    for (position, _) in text.match_indices("CREATE ") {
        let statement: String = text[position..].chars().take(120).collect();
        let temporary = statement.starts_with("CREATE TEMPORARY TABLE");
        assert!(temporary || statement.contains("ON pg_temp."), "{statement}");
    }
}

#[test]
fn a_standby_plans_and_does_not_apply() {
    for version in versions() {
        if !version.installation().has("pg_basebackup") {
            let major = version.major();
            eprintln!("skipped: PostgreSQL {major} has no pg_basebackup on this machine, so there is no standby of it");
            continue;
        }
        let quiet = Options::default().with("autovacuum", "off").with("bgwriter_delay", "10s");
        let primary = Server::start(version.installation(), quiet).unwrap();
        let (url, project) = (primary.create_database("shop").unwrap(), Project::with(SCHEMA));
        primary.psql("shop", TABLES).unwrap();
        let standby = primary.standby().unwrap();
        let before = plan(&project, &standby.url("shop"));
        assert_eq!(before, plan(&project, &url));
        let run = project.run_at(&standby.url("shop"), &["apply", "--auto-approve"]);
        let run = run.expect_said(3, "read-only");
        assert!(run.stderr.contains("nothing was written"), "{run}");

        project.run_at(&url, &["apply", "--auto-approve"]).expect(0);
        // A server of its own, so that nobody else moves these. What the apply left dead in the catalogs is taken away
        // first: whoever reads such a page may tidy it up, and that is no doing of a plan.
        primary.psql("shop", "VACUUM").unwrap();
        let position = "SELECT pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn()";
        // The server itself writes a word for its standbys every now and then, but not each time.
        let quiet = (0..3).any(|_| {
            let before = primary.psql("shop", position).unwrap();
            project.run_at(&url, &["plan", "--detailed-exitcode"]).expect(0);
            before == primary.psql("shop", position).unwrap()
        });
        assert!(quiet, "a plan without changes has written something");
        let end = primary.psql("shop", position).unwrap();
        let end = end.split_once('|').unwrap().1;
        let arrived = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            standby.psql("shop", &format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")).unwrap() == "t"
        });
        assert!(arrived);
        project.run_at(&standby.url("shop"), &["plan", "--detailed-exitcode"]).expect(0);
        project.run_at(&standby.url("shop"), &["import", "--all", "--out", "imported"]).expect(0);
    }
}

#[test]
fn a_database_that_is_read_only_by_its_settings_is_not_applied_to() {
    let (database, project) = (Database::new(newest()), Project::with(SCHEMA));
    database.sql(TABLES);
    database.sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name));
    project.run(&database, &["plan"]).expect(0);
    project.run(&database, &["apply", "--auto-approve"]).expect_said(3, "read-only");
}
