//! Other people's part in it: an apply by a role that sees little of them, and indexes of theirs that it has taken in.

use std::thread::scope;

use super::site::Site;
use crate::common::{Database, Project, newest, versions};

const TABLES: &str = "CREATE TABLE t (id integer, a integer); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n; \
    CREATE TABLE p (id integer, a integer) PARTITION BY RANGE (id); \
    CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (50); \
    CREATE TABLE p_mid PARTITION OF p FOR VALUES FROM (50) TO (100); \
    CREATE TABLE u (x integer); INSERT INTO u VALUES (1)";

fn project(schema: &str) -> Project {
    let project = Project::with(schema);
    project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 300ms, retries: 2, build_timeout: 1s }\n");
    project
}

/// The statistics views hide other roles' sessions from whoever is no superuser; their transactions are waited for all
/// the same.
#[test]
fn an_owner_without_further_rights_waits_for_others_before_it_builds() {
    let database = Database::new(newest());
    let (site, owner) = (Site { server: database.version.server(), name: &database.name }, "plain_owner");
    database.sql(&format!(
        "DROP ROLE IF EXISTS {owner}; CREATE ROLE {owner} LOGIN; {TABLES}; ALTER TABLE t OWNER TO {owner}; \
         GRANT CREATE ON SCHEMA public TO {owner}; GRANT CREATE ON DATABASE {} TO {owner}",
        database.name
    ));
    let project = project("tables: { t: { indexes: { i: [a] } } }");
    let before = database.indexes();
    let apply = || project.run_at(&database.url_as(owner), &["apply", "--auto-approve"]);
    for idle in ["BEGIN; INSERT INTO t VALUES (0, 0)", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM u"]
    {
        let mut visitor = site.visitor();
        visitor.ask(idle);
        apply().expect_said(5, &format!("process {} of user postgres", visitor.pid()));
        assert_eq!(before, database.indexes(), "something is left while {idle}");
        visitor.ask("ROLLBACK");
    }
    apply().expect(0);
    database.sql("DROP SCHEMA reconcile CASCADE; DROP TABLE t");
    database.sql(&format!("DROP OWNED BY {owner}; DROP ROLE {owner}"));
}

/// What stands on a partition becomes part of the new index, and must outlive its failure.
#[test]
fn a_failed_build_spares_what_it_has_taken_in() {
    let database = Database::new(newest());
    database.sql(TABLES);
    database.sql("INSERT INTO p VALUES (1, 1), (60, 1), (60, 1); CREATE UNIQUE INDEX theirs ON p_low (id, a)");
    let project = project("tables: { p: { indexes: { i: { columns: [id, a], unique: true } } } }");
    project.run(&database, &["apply", "--auto-approve"]).expect_said(1, "(id, a) = (60, 1)");
    assert!(database.indexes().contains("theirs"), "{}", database.indexes());
    database.sql("DELETE FROM p WHERE id = 60");
    project.run(&database, &["apply", "--auto-approve"]).expect(0);
    project.expect_no_changes(&database);
    assert!(database.indexes().contains("theirs"), "{}", database.indexes());
}

/// What a REINDEX of somebody else builds and drops is nobody's leftover, in whatever phase it waits.
#[test]
fn work_of_others_is_left_alone() {
    for version in versions() {
        for (holds, there) in
            [("BEGIN; INSERT INTO t VALUES (0, 0)", "theirs_ccnew"), ("BEGIN; SELECT count(*) FROM t", "theirs_ccold")]
        {
            let database = Database::new(version);
            let site = Site { server: database.version.server(), name: &database.name };
            database.sql(TABLES);
            database.sql("CREATE INDEX i ON t (a); CREATE INDEX theirs ON t (id)");
            let project = project("tables: { t: { prune: true, indexes: { i: [a] } } }");
            site.try_apply(&project).expect(0);
            database.sql("CREATE INDEX theirs ON t (id)");
            let mut visitor = site.visitor();
            visitor.ask(holds);
            scope(|scope| {
                scope.spawn(|| drop(database.try_sql("REINDEX INDEX CONCURRENTLY theirs")));
                let waits = format!(
                    "SELECT count(*) FROM pg_class c, pg_stat_activity a WHERE relname = '{there}' \
                     AND a.query LIKE 'REINDEX%' AND a.wait_event_type = 'Lock' AND a.datname = current_database()"
                );
                site.wait_until("no REINDEX waits", &waits, "1");
                let run = project.run(&database, &["plan"]).expect(0);
                let said = format!("index/public.t/{there}: not pruned: process");
                assert!(run.stdout.contains(&said) && run.stdout.contains("building or dropping it now"), "{run}");
                visitor.ask("COMMIT");
            });
        }
    }
}
