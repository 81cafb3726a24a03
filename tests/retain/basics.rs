//! What goes, what stays, how much at a time, and what is said of it.

use serde_json::json;

use super::{Place, Rule, steps};
use crate::common::{newest, versions};

const LOGS: &str = "CREATE TABLE log (id int PRIMARY KEY, at timestamptz, hold boolean, filler text DEFAULT repeat('x', 100));
    INSERT INTO log (id, at, hold) SELECT n, now() - n * interval '1 hour' + interval '30 min', CASE n % 10 WHEN 0 THEN true WHEN 1 THEN NULL ELSE false END
    FROM generate_series(1, 10000) n;
    INSERT INTO log (id, at) VALUES (-1, NULL), (-2, 'infinity'), (-3, '-infinity'), (-4, now() + interval '9 years');
    ANALYZE log;";

#[test]
fn exactly_what_is_past_its_time_goes_and_a_second_run_deletes_nothing() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, LOGS);
        place.rule(&Rule::new("public.log", "at", "30 days").with("vacuum", json!(true)));
        let before = place.tuples("log");
        let traces = place.tuples("reconcile.retention_run");
        let preview = place.retain(&["--dry-run"]).expect(0);
        let expected = ("public.log".to_owned(), "DELETE (>30 days)".to_owned(), 9280, "done".to_owned());
        assert_eq!(steps(&preview), [expected]);
        assert_eq!((before, traces), (place.tuples("log"), place.tuples("reconcile.retention_run")));
        let run = place.retain(&[]).expect(0);
        assert_eq!(steps(&run)[0], steps(&preview)[0]);
        assert_eq!(place.records(), "public.log|DELETE (>30 days)|9280|done\npublic.log|VACUUM ANALYZE|0|done");
        assert_eq!(place.database.sql("SELECT count(*), min(id), max(id) FROM log"), "724|-4|720");
        place.retain(&[]).expect(0);
        assert_eq!(place.records(), "public.log|DELETE (>30 days)|0|done");
        assert_ne!(place.database.sql("SELECT relpages FROM pg_class WHERE relname = 'log'"), "0");
    }
}

#[test]
fn rows_stay_where_the_condition_is_false_or_unknown() {
    let place = Place::new(newest(), LOGS);
    place.rule(&Rule::new("public.log", "at", "30 days").with("where", json!("NOT log.hold -- kept")));
    place.retain(&[]).expect(0);
    assert_eq!(place.records(), "public.log|DELETE (>30 days)|7424|done");
    assert_eq!(place.database.sql("SELECT count(*) FROM log WHERE id > 720"), "1856");
    assert_eq!(place.database.sql("SELECT count(*) FROM log WHERE id > 720 AND hold = false"), "0");
}

/// How many rows the largest transaction deleted, by a trigger that notes each.
const LARGEST: &str = "SELECT max(rows), sum(rows) FROM (SELECT count(*) AS rows FROM noted GROUP BY xid) s";
const NOTING: &str = "CREATE TABLE noted (xid xid8);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.noted VALUES (pg_current_xact_id()); RETURN OLD; END $$;";

#[test]
fn no_transaction_takes_more_rows_than_it_may() {
    for (rows, index) in [(7, ""), (500, ""), (500, "CREATE INDEX ON log (at); ANALYZE log;")] {
        let place = Place::new(newest(), &format!("{LOGS}{NOTING}{index}"));
        place.database.sql("CREATE TRIGGER noting BEFORE DELETE ON log FOR EACH ROW EXECUTE FUNCTION note()");
        place.rule(&Rule::new("public.log", "at", "400 days").batch("rows", json!(rows)));
        place.retain(&[]).expect(0);
        assert_eq!(place.database.sql(LARGEST), format!("{}|400", rows.min(400)), "{rows} {index}");
        assert_eq!(place.count("log WHERE at < now() - interval '400 days' AND isfinite(at)"), 0);
    }
}

#[test]
fn an_index_leads_to_few_rows_and_the_heap_to_many() {
    let place = Place::new(newest(), &format!("{LOGS}CREATE INDEX by_age ON log (at); ANALYZE log;"));
    place.rule(&Rule::new("public.log", "at", "400 days"));
    place.retain(&[]).expect(0);
    let ordered = |database: &crate::common::Database| {
        database.log().iter().any(|line| line.contains("WITH reconcile_batch") && line.contains("ORDER BY log.at"))
    };
    assert!(ordered(&place.database));
    let place = Place::new(newest(), &format!("{LOGS}CREATE INDEX by_age ON log (at); ANALYZE log;"));
    place.rule(&Rule::new("public.log", "at", "1 day"));
    place.retain(&[]).expect(0);
    assert!(!ordered(&place.database));
    assert_eq!(place.count("log"), 24 + 4);
}

#[test]
fn rows_of_equal_age_all_go_by_the_index() {
    let place = Place::new(
        newest(),
        "CREATE TABLE log (id int, at date); INSERT INTO log SELECT n, current_date FROM generate_series(1, 50000) n;
         INSERT INTO log SELECT -n, current_date - 100 FROM generate_series(1, 900) n;
         CREATE INDEX ON log (at); ANALYZE log",
    );
    place.rule(&Rule::new("public.log", "at", "30 days").batch("rows", json!(50)));
    place.retain(&[]).expect(0);
    assert_eq!(place.records(), "public.log|DELETE (>30 days)|900|done");
    assert_eq!(place.count("log"), 50000);
}

#[test]
fn by_the_index_no_transaction_takes_more_rows_than_it_may_however_many_have_one_age() {
    let place = Place::new(
        newest(),
        &format!(
            "CREATE TABLE log (id int, at date); INSERT INTO log SELECT n, current_date FROM generate_series(1, 50000) n;
             INSERT INTO log SELECT -n, current_date - 100 - n / 20 FROM generate_series(1, 500) n;
             INSERT INTO log SELECT -n, current_date - 110 FROM generate_series(501, 700) n;
             CREATE INDEX ON log (at); ANALYZE log; {NOTING}"
        ),
    );
    let again = "CREATE TABLE twin AS SELECT * FROM log; CREATE INDEX ON twin (at); ANALYZE twin; \
        CREATE TRIGGER noting BEFORE DELETE ON twin FOR EACH ROW EXECUTE FUNCTION note()";
    place.database.sql(again);
    place.rule(&Rule::new("public.twin", "at", "30 days").batch("rows", json!(50)));
    place.retain(&["twin"]).expect(0);
    assert_eq!(place.database.sql(LARGEST), "50|700");
    place.rule(&Rule::new("public.log", "at", "30 days").batch("rows", json!(50)));
    place.retain(&["log"]).expect(0);
    // Without a trigger to ask, each transaction's count is in its record.
    let counts = place.database.log().into_iter().filter_map(|line| {
        let rows = line.split_once("\"rows_affected\" = ")?.1;
        rows.split(',').next()?.parse::<u64>().ok()
    });
    let counts: Vec<_> = counts.collect();
    let own = &counts[counts.iter().rposition(|rows| *rows <= 50).unwrap()..];
    assert!(own.len() > 10 && own.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) <= 50), "{counts:?}");
    assert_eq!((place.records().as_str(), place.count("log")), ("public.log|DELETE (>30 days)|700|done", 50000));
    let plain = |line: &str| line.contains("DELETE FROM ONLY public.log AS log WHERE") && line.contains("log.at >= ");
    assert!(place.database.log().iter().any(|line| plain(line) && !line.contains("WITH")));
}

#[test]
fn names_that_need_quotes_and_partitions_at_two_levels() {
    let place = Place::new(
        newest(),
        r#"CREATE SCHEMA "My App"; CREATE TABLE "My App"."Log.s" (id int, "At ""it""" timestamptz) PARTITION BY RANGE ("At ""it""");
        CREATE TABLE "My App".old PARTITION OF "My App"."Log.s" FOR VALUES FROM (MINVALUE) TO ('2020-01-01') PARTITION BY RANGE ("At ""it""");
        CREATE TABLE "My App"."old 1" PARTITION OF "My App".old FOR VALUES FROM (MINVALUE) TO ('2010-01-01');
        CREATE TABLE "My App"."old 2" PARTITION OF "My App".old DEFAULT;
        CREATE TABLE "My App".rest PARTITION OF "My App"."Log.s" DEFAULT;
        INSERT INTO "My App"."Log.s" SELECT n, timestamptz '2005-01-01' + n * interval '10 days' FROM generate_series(1, 1000) n;
        INSERT INTO "My App"."Log.s" VALUES (0, now())"#,
    );
    let rule = Rule::new(r#""My App"."Log.s""#, "At \"it\"", "1 month");
    place.rule(&rule.with("where", json!(r#""Log.s".id % 2 = 0"#)));
    let preview = place.retain(&["--dry-run"]).expect(0);
    let run = place.retain(&[r#""My App"."Log.s""#]).expect(0);
    assert_eq!(steps(&preview), steps(&run));
    let expired = place.count(r#""My App"."Log.s" WHERE id % 2 = 0 AND "At ""it""" < now() - interval '1 month'"#);
    assert_eq!((expired, steps(&run)[0].2 > 300), (0, true));
    assert_eq!(place.count(r#""My App"."Log.s" WHERE id % 2 = 1"#), 500);
}

#[test]
fn people_see_a_table_and_unknown_names_are_told() {
    let place = Place::new(newest(), LOGS);
    place.project.run(&place.database, &["retain"]).expect_said(0, "no retention rule is applied here");
    place.rule(&Rule::new("public.log", "at", "30 days"));
    place.project.run(&place.database, &["retain", "public.logg"]).expect_said(1, "did you mean `public.log`?");
    let run = place.project.run(&place.database, &["retain", "log", "--dry-run"]).expect(0);
    assert!(run.stdout.starts_with("table_name  action"), "{run}");
    assert!(run.stdout.contains("public.log  DELETE (>30 days)          9,280"), "{run}");
}
