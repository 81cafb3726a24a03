//! `maintain` runs the rules whose time has come, and no other.

use serde_json::json;

use super::{Place, Rule, steps};
use crate::common::newest;

const TABLES: &str = "CREATE TABLE log (id int, at timestamptz);
    CREATE TABLE event (id int, at timestamptz);
    CREATE TABLE never (id int, at timestamptz);
    INSERT INTO log SELECT n, now() - n * interval '1 day' FROM generate_series(1, 100) n;
    INSERT INTO event SELECT * FROM log; INSERT INTO never SELECT * FROM log";

/// Applied this long ago.
fn applied(place: &Place, ago: &str) {
    place.database.sql(&format!("UPDATE reconcile.resource SET since = now() - interval '{ago}'"));
}

#[test]
fn a_rule_is_due_once_its_time_has_come_and_until_it_ran_to_its_end() {
    let place = Place::new(newest(), TABLES);
    // An hour ago, and half a year from now: at no hour and on no day does the test meet its own schedules.
    let schedule = |sql: &str| json!(place.database.sql(&format!("SELECT to_char(now() {sql}')")));
    let daily = schedule(r#"- interval '1 hour', '"0 "FMHH24" * * *""#);
    let yearly = schedule(r#"+ interval '6 months', '"0 2 1 "FMMM" *""#);
    place.rule(&Rule::new("public.log", "at", "30 days").with("schedule", daily));
    let yearly = Rule::new("public.event", "at", "30 days").with("schedule", yearly);
    place.rule(&yearly.with("timezone", json!("Asia/Kathmandu")));
    place.rule(&Rule::new("public.never", "at", "30 days"));
    let maintain = || place.project.run_at(&place.database.url(), &["maintain", "--json"]).expect(0);
    let counts = || (place.count("log"), place.count("event"), place.count("never"));
    applied(&place, "0");
    assert_eq!(maintain().stdout, "");
    assert_eq!(counts(), (100, 100, 100));
    applied(&place, "25 hours");
    assert_eq!(steps(&maintain()), [("public.log".into(), "DELETE (>30 days)".into(), 71, "done".into())]);
    assert_eq!(maintain().stdout, "");
    // What stopped or was refused is due again.
    place.database.sql("UPDATE reconcile.retention_run SET outcome = 'stopped'");
    assert_eq!(steps(&maintain()), [("public.log".into(), "DELETE (>30 days)".into(), 0, "done".into())]);
    assert_eq!(counts(), (29, 100, 100));
    applied(&place, "366 days");
    assert_eq!(steps(&maintain()), [("public.event".into(), "DELETE (>30 days)".into(), 71, "done".into())]);
    let text = place.project.run_at(&place.database.url(), &["maintain"]).expect(0).stderr;
    for said in ["nothing is due", "public.event: next due at", "(Asia/Kathmandu)", "public.never: it has no schedule"]
    {
        assert!(text.contains(said), "{text}");
    }
}
