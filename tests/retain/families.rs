//! Children go before the rows that they point at.

use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use super::{Place, Rule, steps};
use crate::common::{newest, versions};

const FAMILY: &str = "CREATE TABLE batch (id int PRIMARY KEY, at timestamptz);
    CREATE TABLE record (id int, batch int REFERENCES batch); CREATE INDEX ON record (batch);
    CREATE TABLE note (batch int REFERENCES batch ON DELETE CASCADE, id int) PARTITION BY RANGE (id);
    CREATE TABLE note_1 PARTITION OF note FOR VALUES FROM (MINVALUE) TO (500);
    CREATE TABLE note_2 PARTITION OF note DEFAULT; CREATE INDEX ON note (batch);
    INSERT INTO batch SELECT n, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 200) n;
    INSERT INTO record SELECT b * 100 + r, b FROM generate_series(1, 200) b, generate_series(1, 30) r;
    INSERT INTO note SELECT b, b * 5 + r FROM generate_series(1, 200) b, generate_series(1, 3) r; ANALYZE;
    CREATE TABLE noted (place text, xid xid8);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.noted VALUES (TG_ARGV[0], pg_current_xact_id()); RETURN OLD; END $$;
    CREATE TRIGGER noting BEFORE DELETE ON batch FOR EACH ROW EXECUTE FUNCTION note('batch');
    CREATE TRIGGER noting BEFORE DELETE ON record FOR EACH ROW EXECUTE FUNCTION note('record');
    CREATE TRIGGER noting BEFORE DELETE ON note FOR EACH ROW EXECUTE FUNCTION note('note');";

fn rule() -> Rule {
    Rule::new("public.batch", "at", "90 days")
        .with("children", json!([{ "table": "public.record", "foreign_key": "batch" }, { "table": "public.note", "foreign_key": "batch" }]))
        .batch("rows", json!(50))
}

#[test]
fn children_go_first_and_no_transaction_takes_more_than_it_may() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, FAMILY);
        place.rule(&rule().with("vacuum", json!(true)));
        let preview = place.retain(&["--dry-run"]).expect(0);
        let run = place.retain(&[]).expect(0);
        assert_eq!(steps(&preview), steps(&run)[..3]);
        assert_eq!(
            place.records(),
            "public.record|DELETE (>90 days)|3300|done\npublic.note|DELETE (>90 days)|330|done\n\
             public.batch|DELETE (>90 days)|110|done\npublic.record|VACUUM ANALYZE|0|done\n\
             public.note|VACUUM ANALYZE|0|done\npublic.batch|VACUUM ANALYZE|0|done"
        );
        assert_eq!((place.count("batch"), place.count("record"), place.count("note")), (90, 2700, 270));
        let largest = "SELECT max(rows) <= 50 FROM (SELECT count(*) AS rows FROM noted GROUP BY xid, place) s";
        assert_eq!(place.database.sql(largest), "t");
        // A row goes in one transaction with all that points at it.
        let together =
            "SELECT bool_and(places = 3) FROM (SELECT count(DISTINCT place) AS places FROM noted GROUP BY xid) s";
        assert_eq!(place.database.sql(together), "t");
        assert_eq!(place.database.sql("SELECT count(*) FROM noted"), "3740");
    }
}

#[test]
fn a_row_that_gets_children_meanwhile_stays_with_them_or_goes_with_them() {
    let place = Place::new(newest(), FAMILY);
    place.rule(&rule().batch("rows", json!(5)).batch("sleep_ms", json!(2)));
    scope(|scope| {
        let database = &place.database;
        scope.spawn(move || {
            for n in 0..300 {
                // Where the row is gone already, there is none to point at.
                let insert = format!("INSERT INTO record SELECT {n} + 1000000, id FROM batch ORDER BY id DESC LIMIT 1");
                drop(database.try_sql(&insert));
            }
        });
        sleep(Duration::from_millis(20));
        place.retain(&[]).expect(0);
    });
    place.retain(&[]).expect(0);
    assert_eq!(place.count("batch WHERE at < now() - interval '90 days'"), 0);
    assert_eq!(place.count("record WHERE batch NOT IN (SELECT id FROM batch)"), 0);
}

#[test]
fn keys_of_several_columns() {
    let place = Place::new(
        newest(),
        "CREATE TABLE p (a int, b text, at date, UNIQUE (b, a)); CREATE TABLE c (x text, y int, FOREIGN KEY (y, x) REFERENCES p (a, b));
         INSERT INTO p SELECT n, 'k' || n % 2, current_date - n FROM generate_series(1, 60) n; INSERT INTO c SELECT b, a FROM p, generate_series(1, 2);",
    );
    let children = json!([{ "table": "public.c", "foreign_key": "x" }]);
    place.rule(&Rule::new("public.p", "at", "30 days").with("children", children));
    place.retain(&[]).expect(0);
    assert_eq!(place.database.sql("SELECT count(*), min(a), max(a) FROM p"), "30|1|30");
    assert_eq!(place.database.sql("SELECT count(*), min(y), max(y) FROM c"), "60|1|30");
}
