//! Rollbacks of runs that broke off: what was begun is taken back, what was not begun is nobody's business.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::place::{Place, of_t};
use crate::common::newest;

const WAIT: Duration = Duration::from_secs(30);

/// `b` cannot be unique.
const THREE: &str = "a1: [a], b2: { columns: [b], unique: true }, c3: [c]";

fn over_duplicates() -> Place {
    let place = Place::applied(newest(), "");
    place.database.sql(r#"UPDATE t SET b = '{"s,\' WHERE a < 4"#);
    place
}

/// Applies what fails at the second of three.
fn fail(place: &Place) {
    place.declare(&of_t(THREE));
    let run = place.run(&["apply", "--auto-approve"]).expect(1);
    assert!(run.stderr.contains(r#"(b) = ({"s,\) in 3 rows"#), "no sample of the duplicates: {run}");
    assert_eq!(place.runs(), "1|apply|done\n2|apply|failed");
}

#[test]
fn a_failed_run_is_taken_back_as_far_as_it_came() {
    let place = over_duplicates();
    let (indexes, managed) = (place.database.indexes(), place.managed());
    fail(&place);
    assert_eq!(place.managed(), format!("index/public.t/a1\n{managed}"));
    place.rollback(2).expect(0);
    assert_eq!((indexes, managed), (place.database.indexes(), place.managed()));
    place.rollback(2).expect(0);
    assert_eq!(place.runs(), "1|apply|done\n2|apply|failed\n3|rollback|done");
    place.rollback(3).expect(0);
    assert_eq!(place.managed(), "index/public.t/a1\nindex/public.u/anchor");
}

#[test]
fn what_somebody_made_under_names_that_came_to_nothing_stays() {
    let place = over_duplicates();
    fail(&place);
    // The second one failed and was cleaned up, the third one was not begun.
    place.database.sql("CREATE INDEX b2 ON t (b); CREATE INDEX c3 ON t (c)");
    let run = place.rollback(2).expect(0);
    assert!(run.stdout.contains("index/public.t/b2: it was not built by the run: it stays"), "{run}");
    let left = place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1");
    assert_eq!(left, "b2\nc3\nt_pkey");
}

#[test]
fn what_a_failed_build_left_goes() {
    let place = over_duplicates();
    fail(&place);
    // As if the clean-up had not come through.
    place.database.try_sql("CREATE UNIQUE INDEX CONCURRENTLY b2 ON t (b)").unwrap_err();
    assert!(place.database.indexes().contains("public.b2 INVALID"));
    place.rollback(2).expect(0);
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't'"), "t_pkey");
}

/// A session that keeps a lock on a table until it is dropped.
struct Holder(std::process::Child);

impl Holder {
    fn of(place: &Place, sql: &str) -> Self {
        let psql = place.database.version.installation().program("psql").unwrap();
        let sql = format!("BEGIN; {sql}; SELECT pg_sleep(60)");
        let mut command = Command::new(psql);
        command.args(["-X", "-q", "-c", &sql, "-d", &place.database.url()]).env("PGAPPNAME", "holder");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait(
            place,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND query LIKE '%pg_sleep%' \
            AND wait_event = 'PgSleep' AND datname = current_database()",
            "1",
        );
        Self(child)
    }

    fn end(mut self, place: &Place) {
        place.database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder' \
            AND datname = current_database()",
        );
        self.0.wait().unwrap();
    }
}

fn wait(place: &Place, query: &str, gives: &str) {
    let end = Instant::now() + WAIT;
    while place.database.sql(query) != gives {
        assert!(Instant::now() < end, "it does not come: {query}");
        sleep(Duration::from_millis(20));
    }
}

/// For the expression of an index: the row of this number takes as long as it takes to kill the build.
const SLOW: &str = "CREATE OR REPLACE FUNCTION slow(n integer, stop integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql \
    AS 'BEGIN IF n = stop THEN PERFORM pg_sleep(30); END IF; RETURN n; END'";

/// Works, and is killed once a build has come to its slow row; the server is told at once.
fn kill_at_the_slow_row(place: &Place, command: &[&str], table: &str) {
    let mut command = place.project.command(&[command, &["--auto-approve", "--allow", "all"]].concat());
    command.env("DATABASE_URL", place.database.url()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let ours = "application_name = 'reconcile' AND datname = current_database()";
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%ON public.";
    wait(place, &format!("{sleeps}{table} %' AND {ours}"), "1");
    client.kill().unwrap();
    client.wait().unwrap();
    place.database.sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"));
    wait(place, &format!("SELECT count(*) FROM pg_stat_activity WHERE {ours}"), "0");
}

struct Killed {
    name: &'static str,
    former: &'static str,
    latter: &'static str,
    /// Where the build is slow.
    at: &'static str,
}

const KILLED: [Killed; 5] = [
    Killed {
        name: "at the second of two",
        former: "",
        latter: "  t: { indexes: { h: [a], i: [{ expression: 'slow(a, 42)' }] } }",
        at: "t",
    },
    Killed {
        name: "at the first part",
        former: "",
        latter: "  p: { indexes: { i: [{ expression: 'slow(a, 42)' }], j: [a, b] } }",
        at: "p1",
    },
    Killed {
        name: "at a nested part",
        former: "",
        latter: "  p: { indexes: { h: [a], i: [{ expression: 'slow(a, 142)' }], j: [a, b] } }",
        at: "p2x",
    },
    Killed {
        name: "while it replaces",
        former: "  t: { indexes: { i: [a], k: { columns: [b], comment: k } } }",
        latter: "  t: { indexes: { i: [c], k: [{ expression: 'slow(a, 42)' }] } }",
        at: "t",
    },
    Killed {
        name: "while it replaces a nested part",
        former: "  p: { indexes: { i: [b] } }",
        latter: "  p: { indexes: { i: [{ expression: 'slow(a, 142)' }] } }",
        at: "p2x",
    },
];

#[test]
fn a_killed_run_is_taken_back_as_far_as_it_came() {
    for case in &KILLED {
        eprintln!("case: killed {}", case.name);
        let place = Place::new(newest());
        place.database.sql(SLOW);
        place.apply(case.former);
        let (indexes, managed) = (place.database.indexes(), place.managed());
        place.declare(case.latter);
        kill_at_the_slow_row(&place, &["apply"], case.at);
        assert_ne!(indexes, place.database.indexes(), "nothing was begun");
        place.rollback(2).expect(0);
        assert_eq!(indexes, place.database.indexes());
        assert_eq!(managed, place.managed());
        assert_eq!(place.runs(), "1|apply|done\n2|apply|interrupted\n3|rollback|done");
        let again = place.rollback(2).expect(0);
        assert!(again.stdout.contains("No changes."), "{again}");
        place.declare(case.former);
        place.project.expect_no_changes(&place.database);
        // What was given up can be done after all.
        place.database.sql(&SLOW.replace("pg_sleep(30)", "pg_sleep(0)"));
        place.apply(case.latter);
        place.project.expect_no_changes(&place.database);
    }
}

/// It can be run again, and it can be taken back itself.
#[test]
fn a_rollback_that_broke_off_goes_either_way() {
    let latter = "  t: { indexes: { h: [c], j: [b] } }\n  p: { indexes: {} }";
    for back in [2, 3] {
        let place = Place::new(newest());
        place.database.sql(&SLOW.replace("pg_sleep(30)", "pg_sleep(0)"));
        place.apply("  t: { indexes: { h: [a], i: [b] } }\n  p: { indexes: { k: [{ expression: 'slow(a, 142)' }] } }");
        let former = [place.database.indexes(), place.managed()];
        place.apply(latter);
        let applied = [place.database.indexes(), place.managed()];
        place.database.sql(SLOW);
        kill_at_the_slow_row(&place, &["rollback", "2"], "p2x");
        place.database.sql(&SLOW.replace("pg_sleep(30)", "pg_sleep(0)"));
        place.rollback(back).expect(0);
        let expected = if back == 2 { &former } else { &applied };
        assert_eq!(*expected, [place.database.indexes(), place.managed()], "after the rollback of {back}");
        // A run that was only taken back in part is not out of the way of the runs before it.
        place.rollback(1).expect(if back == 2 { 0 } else { 3 });
    }
}

/// Undoes the attachment of parts, which a kill between two statements cannot be timed to come before.
#[test]
fn parts_that_nothing_is_attached_to_are_taken_back() {
    let place = Place::applied(newest(), "");
    let (indexes, managed) = (place.database.indexes(), place.managed());
    place.apply("  p: { indexes: { i: [b] } }");
    place.database.sql(
        "DROP INDEX i; CREATE INDEX i ON ONLY p (b); CREATE INDEX i_p1 ON p1 (b); CREATE INDEX i_p2 ON ONLY p2 (b); \
         CREATE INDEX i_p2_p2x ON p2x (b); CREATE INDEX theirs ON p1 (b, a); \
         DELETE FROM reconcile.resource WHERE address LIKE '%/i'; UPDATE reconcile.run SET outcome = 'running' WHERE id = 2; \
         DELETE FROM reconcile.step WHERE run = 2 AND statement LIKE '%ATTACH%'",
    );
    place.rollback(2).expect(0);
    place.database.sql("DROP INDEX theirs");
    assert_eq!((indexes, managed), (place.database.indexes(), place.managed()));
}

/// A drop that cannot be had in time is the second of three: the first one stays done.
#[test]
fn a_run_that_gave_up_waiting_is_taken_back() {
    let place = Place::new(newest());
    place.project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 100ms, retries: 1 }\n");
    place.apply("  p: { indexes: { i: [b] } }\n  t: { indexes: { i2: [a], z: [c] } }");
    let (indexes, managed) = (place.database.indexes(), place.managed());
    place.declare("  p: { indexes: {} }\n  t: { indexes: { i2: { columns: [a], comment: set } } }");
    let holder = Holder::of(&place, "SELECT count(*) FROM p");
    place.run(&["apply", "--auto-approve", "--allow", "all"]).expect(5);
    assert_eq!(place.runs(), "1|apply|done\n2|apply|incomplete");
    holder.end(&place);
    place.rollback(2).expect(0);
    assert_eq!((indexes, managed), (place.database.indexes(), place.managed()));
}

/// The transaction of an exchange stands at its first change; the registry's entries of the others may be missing.
#[test]
fn an_exchange_that_broke_off_is_taken_back_as_a_whole() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    let indexes = place.database.indexes();
    place.apply(&of_t("i: [c], j: [a]"));
    place
        .database
        .sql("UPDATE reconcile.resource SET run = 1; UPDATE reconcile.run SET outcome = 'running' WHERE id = 2");
    place.rollback(2).expect(0);
    assert_eq!(indexes, place.database.indexes());
    place.declare(&of_t("i: [a], j: [c]"));
    place.project.expect_no_changes(&place.database);
}
