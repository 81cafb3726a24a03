//! `maintain` and `refresh --stale`: the views whose time has come, in order, and no other.

use super::{Place, RECORDS};
use crate::common::{newest, versions};

/// At no hour and on no day does the test meet its own schedules: `daily` was an hour ago, `yearly` is half a year from now.
fn views(place: &crate::common::Database) -> String {
    let schedule = |sql: &str| place.sql(&format!("SELECT to_char(now() {sql}')"));
    let daily = schedule(r#"- interval '1 hour', '"0 "FMHH24" * * *""#);
    let yearly = schedule(r#"+ interval '6 months', '"0 2 1 "FMMM" *""#);
    format!(
        "
materialized_views:
  a: {{ query: SELECT n + 1 AS n FROM b, refresh: {{ schedule: \"{daily}\" }} }}
  b: {{ query: SELECT count(*) AS n FROM t, refresh: {{ schedule: \"{daily}\" }} }}
  year: {{ query: SELECT count(*) AS n FROM t, refresh: {{ schedule: \"{yearly}\", timezone: Asia/Kathmandu }} }}
  never: {{ query: SELECT count(*) AS n FROM t }}
  empty: {{ query: SELECT count(*) AS n FROM t, with_data: false }}
  later: {{ query: SELECT count(*) AS n FROM t, with_data: false, refresh: {{ schedule: \"{yearly}\" }} }}
"
    )
}

fn place(version: &'static crate::common::Version) -> Place {
    let place = Place::new(version, "tables: {}");
    place.project.write("schema/tables.yaml", views(&place.database));
    place.project.apply(&place.database);
    place
}

impl Place {
    /// Applied and refreshed this much earlier than it was.
    fn pass(&self, time: &str) {
        self.database.sql(&format!(
            "UPDATE reconcile.resource SET since = since - interval '{time}';
             UPDATE reconcile.refresh_run SET started_at = started_at - interval '{time}';
             UPDATE reconcile.retention_run SET started_at = started_at - interval '{time}'"
        ));
    }

    fn maintain(&self) -> crate::common::Run {
        self.project.run(&self.database, &["maintain"])
    }

    fn runs(&self) -> String {
        self.database.sql("SELECT count(*) FROM reconcile.refresh_run")
    }
}

const BOTH: &str = "public.b|REFRESH|1|done\npublic.a|REFRESH|1|done";

#[test]
fn maintain_refreshes_what_is_due_in_order() {
    for version in [&versions()[0], newest()] {
        let place = place(version);
        let said = place.maintain().expect(0).stderr;
        for text in [
            "public.a: next due at",
            "(UTC)",
            "(Asia/Kathmandu)",
            "public.never: it has no schedule: `reconcile refresh` runs it",
            "public.empty: it has no schedule",
            "nothing is due",
        ] {
            assert!(said.contains(text), "{text}: {said}");
        }
        place.pass("25 hours");
        place.database.sql("INSERT INTO t (a) VALUES (0)");
        let run = place.maintain().expect(0);
        assert!(run.stdout.starts_with("view_name  action") && run.stderr.contains("public.later: next due"), "{run}");
        assert_eq!(place.database.sql(RECORDS), BOTH);
        assert_eq!(place.database.sql("SELECT n FROM a"), "102");
        place.maintain().expect_said(0, "nothing is due");
        assert_eq!(place.runs(), "2");
        // What did not come to its end is due again.
        place.pass("25 hours");
        place.maintain().expect(0);
        place.database.sql(
            "UPDATE reconcile.refresh_run SET outcome = 'failed' WHERE view_name = 'public.a' \
             AND run = (SELECT max(run) FROM reconcile.refresh_run)",
        );
        place.maintain().expect(0);
        assert_eq!(place.database.sql(RECORDS), "public.a|REFRESH|1|done");
    }
}

#[test]
fn stale_is_what_its_schedule_says_or_what_was_never_filled() {
    let place = place(newest());
    let stale = |views: &[&str]| {
        let args: Vec<_> = ["refresh", "--stale"].into_iter().chain(views.iter().copied()).collect();
        place.project.run(&place.database, &args).expect(0)
    };
    let run = stale(&[]);
    assert_eq!(place.database.sql(RECORDS), "public.empty|REFRESH|1|done\npublic.later|REFRESH|1|done");
    assert!(
        run.stderr.contains("public.never: it has no schedule") && run.stderr.contains("public.a: next due"),
        "{run}"
    );
    assert!(stale(&[]).stderr.contains("nothing is stale"));
    place.pass("25 hours");
    let run = stale(&["a", "never"]);
    assert_eq!(place.database.sql(RECORDS), "public.a|REFRESH|1|done");
    assert!(run.stderr.contains("public.never") && !run.stderr.contains("public.year"), "{run}");
    stale(&[]);
    assert_eq!(place.database.sql(RECORDS), "public.b|REFRESH|1|done");
    place.project.run(&place.database, &["refresh", "--stale", "nothing"]).expect_said(1, "is applied");
}

#[test]
fn maintain_ends_with_the_worst_of_rules_and_views() {
    let place = place(newest());
    let rule = format!(
        "{}\nretention:\n  log: {{ column: at, retain_for: 30 days, schedule: \"0 0 * * *\" }}\n",
        views(&place.database)
    );
    place.database.sql("CREATE TABLE log (id int, at timestamptz); INSERT INTO log VALUES (1, '2020-01-01')");
    place.project.write("schema/tables.yaml", rule);
    place.project.apply(&place.database);
    place.pass("25 hours");
    place.database.sql("DROP MATERIALIZED VIEW a");
    let run = place.maintain().expect(1);
    assert_eq!(place.database.sql(RECORDS), "public.a|REFRESH|0|failed\npublic.b|REFRESH|1|done");
    assert_eq!(place.database.sql("SELECT count(*) FROM log"), "0");
    let (rules, views) = (run.stdout.find("table_name"), run.stdout.find("view_name"));
    assert!(rules.is_some() && rules < views, "{run}");
    // The other way round.
    place.pass("25 hours");
    place.project.apply(&place.database);
    place.database.sql("DROP TABLE log");
    place.maintain().expect(1);
    assert_eq!(place.database.sql(RECORDS), BOTH);
}
