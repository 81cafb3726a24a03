//! Time: three types of column, time zones, and the calendar's months.

use serde_json::json;

use super::{Place, Rule};
use crate::common::{newest, versions};

/// For each type, a row right before and right after where the rule's cut-off lies, by the server's own calendar.
fn around(place: &Place, kind: &str, cut_off: &str, step: &str) {
    place.database.sql(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (name text, at {kind}); INSERT INTO t VALUES
         ('old', ({cut_off}) - interval '{step}'), ('young', ({cut_off}) + interval '{step}'),
         ('none', NULL), ('ever', 'infinity'), ('never', '-infinity')"
    ));
}

#[test]
fn months_are_those_of_the_calendar_in_the_rules_zone() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, "");
        let zone = "Pacific/Kiritimati";
        for (kind, cut_off, step) in [
            (
                "timestamptz",
                format!("(now() AT TIME ZONE '{zone}' - interval '7 months') AT TIME ZONE '{zone}'"),
                "1 min",
            ),
            ("timestamp", format!("now() AT TIME ZONE '{zone}' - interval '7 months'"), "1 min"),
            ("date", format!("((now() AT TIME ZONE '{zone}')::date - interval '7 months')::date"), "1 day"),
        ] {
            around(&place, kind, &cut_off, step);
            place.rule(&Rule::new("public.t", "at", "7 months").with("timezone", json!(zone)));
            place.retain(&[]).expect(0);
            let left = place.database.sql("SELECT string_agg(name, ' ' ORDER BY name) FROM t");
            assert_eq!(left, "ever never none young", "{kind}");
        }
    }
}

#[test]
fn the_day_of_the_cut_off_itself_stays() {
    let place = Place::new(newest(), "CREATE TABLE t (at date)");
    place.database.sql("INSERT INTO t SELECT (now() AT TIME ZONE 'UTC')::date - n FROM generate_series(28, 33) n");
    place.rule(&Rule::new("public.t", "at", "30 days"));
    place.retain(&[]).expect(0);
    assert_eq!(place.records(), "public.t|DELETE (>30 days)|3|done");
}

#[test]
fn a_local_time_without_a_zone_is_refused() {
    let place = Place::new(newest(), "CREATE TABLE t (at timestamp); INSERT INTO t VALUES ('2001-01-01')");
    place.rule(&Rule::new("public.t", "at", "30 days"));
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains("without time zone, and the rule has no `timezone`"), "{run}");
    assert_eq!((place.count("t"), place.records()), (1, "public.t|DELETE (>30 days)|0|failed".to_owned()));
}

#[test]
fn domains_over_times_count_as_times() {
    let place = Place::new(
        newest(),
        "CREATE DOMAIN moment AS timestamptz; CREATE TABLE t (at moment); INSERT INTO t VALUES ('2001-01-01')",
    );
    place.rule(&Rule::new("public.t", "at", "30 days"));
    place.retain(&[]).expect(0);
    assert_eq!(place.count("t"), 0);
}
