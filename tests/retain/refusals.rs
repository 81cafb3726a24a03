//! What forbids a run is said before the first row goes.

use serde_json::json;

use super::{Place, Rule};
use crate::common::newest;

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); \
    INSERT INTO t SELECT n, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 100) n;";

fn rule() -> Rule {
    Rule::new("public.t", "at", "30 days")
}

/// Nothing goes, and the words are said.
fn refused(place: &Place, code: i32, url: &str, words: &str) {
    for args in [&[][..], &["--dry-run"]] {
        let run = place.retain_as(url, args).expect(code);
        assert!(run.stdout.contains(words), "expected `{words}`: {run}");
    }
    assert_eq!(place.count("t"), 100);
    let outcome = if code == 4 { "skipped" } else { "failed" };
    assert_eq!(place.records(), format!("public.t|DELETE (>30 days)|0|{outcome}"));
}

#[test]
fn limits_say_by_how_much() {
    let place = Place::new(newest(), T);
    let url = place.database.url();
    place.rule(&rule().with("limits", json!({ "max_rows": 60 })));
    refused(&place, 4, &url, "70 rows of public.t would go, 10 more than `max_rows` of 60 allows");
    place.rule(&rule().with("limits", json!({ "max_fraction": 0.5 })));
    refused(&place, 4, &url, "70 of the 100 rows of public.t would go, 0.700 of it; `max_fraction` allows 0.5");
    place.rule(&rule().with("limits", json!({ "max_rows": 70, "max_fraction": 0.7 })));
    place.retain(&[]).expect(0);
    assert_eq!(place.count("t"), 30);
}

#[test]
fn foreign_keys_that_nobody_declared() {
    for action in ["", "ON DELETE RESTRICT", "ON DELETE CASCADE"] {
        let place = Place::new(
            newest(),
            &format!("{T} CREATE TABLE c (t int CONSTRAINT points REFERENCES t {action}); INSERT INTO c VALUES (99)"),
        );
        place.rule(&rule());
        refused(&place, 1, &place.database.url(), "foreign key points of public.c points at public.t");
        assert_eq!(place.count("c"), 1);
    }
    let place = Place::new(
        newest(),
        &format!("{T} CREATE TABLE c (t int REFERENCES t ON DELETE SET NULL); INSERT INTO c VALUES (99)"),
    );
    place.rule(&rule());
    place.retain(&[]).expect(0);
    assert_eq!(place.database.sql("SELECT t IS NULL FROM c"), "t");
}

#[test]
fn grandchildren_hold_everything_up() {
    let place = Place::new(
        newest(),
        &format!(
            "{T} CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t); INSERT INTO c VALUES (1, 99);
            CREATE TABLE g (c int CONSTRAINT deep REFERENCES c); INSERT INTO g VALUES (1)"
        ),
    );
    place.rule(&rule().with("children", json!([{ "table": "public.c", "foreign_key": "t" }])));
    refused(&place, 1, &place.database.url(), "foreign key deep of public.g points at public.c");
}

#[test]
fn rows_that_policies_may_hide() {
    let place = Place::new(newest(), &format!("{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY"));
    let role = role(&place, "GRANT SELECT, DELETE ON t TO");
    place.rule(&rule());
    refused(&place, 3, &place.database.url_as(&role), "row-level security may hide rows of public.t");
}

#[test]
fn roles_that_may_not_delete() {
    let place = Place::new(newest(), T);
    let role = role(&place, "GRANT SELECT ON t TO");
    place.rule(&rule());
    let url = place.database.url_as(&role);
    refused(&place, 1, &url, "this role has no DELETE on public.t");
    place.database.sql(&format!("GRANT DELETE ON t TO {role}"));
    place.rule(&rule().with("vacuum", json!(true)));
    let run = place.retain_as(&url, &[]).expect(0);
    assert!(run.stdout.contains("may not vacuum"), "{run}");
    assert_eq!(place.records(), "public.t|DELETE (>30 days)|70|done\npublic.t|VACUUM ANALYZE|0|skipped");
}

/// A role of its own that may write records.
fn role(place: &Place, grant: &str) -> String {
    let role = format!("janitor_{}", place.database.name);
    place.database.sql(&format!(
        "CREATE ROLE {role} LOGIN; {grant} {role}; GRANT USAGE ON SCHEMA reconcile TO {role};
         GRANT ALL ON reconcile.retention_run TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA reconcile TO {role}"
    ));
    role
}

#[test]
fn one_rule_that_fails_does_not_stop_the_next() {
    let place = Place::new(newest(), &format!("{T} CREATE TABLE u (at date); INSERT INTO u VALUES ('2001-01-01')"));
    for broken in [Rule::new("public.t", "gone", "30 days"), rule().with("where", json!("gone > 1"))] {
        place.rule(&broken);
        place.rule(&Rule::new("public.u", "at", "30 days"));
        place.retain(&["--dry-run"]).expect(1);
        place.retain(&[]).expect(1);
        assert_eq!(place.records(), "public.t|DELETE (>30 days)|0|failed\npublic.u|DELETE (>30 days)|1|done");
        place.database.sql("INSERT INTO u VALUES ('2001-01-01')");
    }
}
