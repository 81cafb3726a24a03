//! Rows that somebody else holds: a run goes round them, and says who it is.

use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use super::{Place, Rule};
use crate::common::{newest, versions};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, n int);
    INSERT INTO t SELECT n, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 80) n;
    CREATE TABLE t_archive (LIKE t); CREATE TABLE c (t int REFERENCES t); CREATE INDEX ON c (t);
    INSERT INTO c SELECT id FROM t, generate_series(1, 3);";

#[test]
fn one_locked_row_does_not_keep_the_others() {
    let children = json!([{ "table": "public.c", "foreign_key": "t" }]);
    for version in [&versions()[0], newest()] {
        for rule in [
            Rule::new("public.t", "at", "30 days"),
            Rule::new("public.t", "at", "30 days").with("action", json!({ "archive": "public.t_archive" })),
            Rule::new("public.t", "at", "30 days").with("action", json!({ "archive_files": "archive" })),
            Rule::new("public.t", "at", "30 days").with("children", children.clone()),
        ] {
            let place = Place::new(version, T);
            let with_children = rule.0.get("children").is_some();
            if !with_children {
                place.database.sql("DROP TABLE c");
            }
            place.rule(&rule);
            scope(|scope| {
                let database = &place.database;
                let hold = "BEGIN; SET application_name = 'holder'; UPDATE t SET n = 1 WHERE id = 60; SELECT pg_sleep(6); ROLLBACK";
                scope.spawn(move || drop(database.try_sql(hold)));
                sleep(Duration::from_millis(700));
                let run = place.retain(&[]).expect(5);
                assert!(
                    run.stdout.contains("1 rows were locked by somebody else") && run.stdout.contains("(holder)"),
                    "{run}"
                );
                assert_eq!(place.database.sql("SELECT count(*), max(id) FROM t"), "31|60");
                assert_eq!(if with_children { place.count("c") } else { 93 }, 93);
                assert!(place.records().ends_with("|49|stopped"), "{}", place.records());
            });
            place.retain(&[]).expect(0);
            assert_eq!(place.count("t"), 30);
        }
    }
}

#[test]
fn who_holds_a_whole_table_is_named() {
    let place = Place::new(newest(), T);
    place.database.sql("DROP TABLE c");
    place.rule(&Rule::new("public.t", "at", "30 days"));
    scope(|scope| {
        let database = &place.database;
        let hold = "BEGIN; SET application_name = 'holder'; LOCK TABLE t IN SHARE MODE; SELECT pg_sleep(5); ROLLBACK";
        scope.spawn(move || drop(database.try_sql(hold)));
        sleep(Duration::from_millis(500));
        let run = place.retain(&[]).expect(5);
        assert!(run.stdout.contains("at work on the table is process") && run.stdout.contains("(holder)"), "{run}");
    });
    assert_eq!(place.count("t"), 80);
}
