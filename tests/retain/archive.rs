//! Rows that are moved: each is in exactly one place, column by column, and comes back by the same way.

use serde_json::json;

use super::{Place, Rule, steps};
use crate::common::{newest, versions};

const PRICES: &str = "CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, net numeric(10, 2),
        gross numeric GENERATED ALWAYS AS (net * 1.2) STORED, \"Odd name\" text, tags text[]);
    CREATE TABLE price_archive (tags text[], \"Odd name\" text, gross numeric, at timestamptz, net numeric(10, 2), id int NOT NULL);
    INSERT INTO price (at, net, \"Odd name\", tags) SELECT now() - n * interval '1 day' + interval '1 hour', n, 'n' || n, ARRAY['a', NULL, n::text]
    FROM generate_series(1, 1000) n; INSERT INTO price (at, net) VALUES (NULL, 1), ('infinity', 2), ('-infinity', 3);
    CREATE TABLE before AS SELECT id, at, net, gross, \"Odd name\", tags FROM price;";

const MISSING: &str = "SELECT count(*) FROM (SELECT id, at, net, gross, \"Odd name\", tags FROM price UNION ALL
    SELECT id, at, net, gross, \"Odd name\", tags FROM price_archive) now FULL JOIN before USING (id, net)
    WHERE now IS DISTINCT FROM before AND (now.at, now.gross, now.\"Odd name\", now.tags) IS DISTINCT FROM
    (before.at, before.gross, before.\"Odd name\", before.tags)";

fn rule() -> Rule {
    Rule::new("public.price", "at", "12 months")
        .with("action", json!({ "archive": "public.price_archive" }))
        .with("timezone", json!("Europe/Vienna"))
        .batch("rows", json!(90))
}

#[test]
fn rows_move_by_name_and_come_back() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, PRICES);
        place.rule(&rule().with("vacuum", json!(true)));
        let expired = place.count("price WHERE at < now() - interval '1 year' AND isfinite(at)");
        let preview = place.retain(&["--dry-run"]).expect(0);
        let run = place.retain(&[]).expect(0);
        assert_eq!(steps(&run)[0], ("public.price".into(), "ARCHIVE (>12 months)".into(), expired, "done".into()));
        assert_eq!(steps(&preview)[..], steps(&run)[..1]);
        assert_eq!(
            place.records(),
            format!(
                "public.price|ARCHIVE (>12 months)|{expired}|done\npublic.price|VACUUM ANALYZE|0|done\n\
                     public.price_archive|VACUUM ANALYZE|0|done"
            )
        );
        assert_eq!((place.count("price_archive"), place.count("price")), (expired, 1003 - expired));
        assert_eq!(place.database.sql(MISSING), "0");
        let (from, to) = ("2000-01-01", "2100-01-01 00:00:00+02");
        let back = place.retain(&["--restore", "price", "--from", from, "--to", to]).expect(0);
        assert_eq!(steps(&back), [("public.price".into(), "RESTORE".into(), expired, "done".into())]);
        assert_eq!((place.count("price_archive"), place.count("price")), (0, 1003));
        assert_eq!(place.database.sql(MISSING), "0");
    }
}

#[test]
fn a_restore_begins_with_its_first_moment_and_ends_before_its_last_in_the_rules_zone() {
    let place = Place::new(newest(), PRICES);
    place.database.sql(
        "TRUNCATE price; INSERT INTO price_archive (id, at) OVERRIDING SYSTEM VALUE SELECT n, (timestamp '2020-01-01' + n * interval '1 hour')
         AT TIME ZONE 'Europe/Vienna' FROM generate_series(0, 240) n",
    );
    place.rule(&rule());
    place.retain(&["--restore", "price", "--from", "2020-01-02", "--to", "2020-01-03"]).expect(0);
    assert_eq!(place.database.sql("SELECT count(*), min(id), max(id) FROM price"), "24|24|47");
    let run = place.retain(&["--restore", "price", "--from", "yesterdayish", "--to", "2020-01-03"]).expect(1);
    assert!(run.stdout.contains("invalid input syntax"), "{run}");
    place.project.run(&place.database, &["retain", "--restore", "price"]).expect(64);
}

#[test]
fn an_archive_out_of_step_is_refused() {
    for (change, words) in [
        ("ALTER TABLE price ADD extra int DEFAULT 7", "public.price_archive has no column extra, as public.price has"),
        ("ALTER TABLE price_archive ALTER net TYPE int", "column net is numeric(10,2) in public.price"),
        ("DROP TABLE price_archive", "there is no table public.price_archive"),
    ] {
        let place = Place::new(newest(), PRICES);
        place.database.sql(change);
        place.rule(&rule());
        let run = place.retain(&[]).expect(1);
        assert!(run.stdout.contains(words), "{change}: {run}");
        assert_eq!(place.count("price"), 1003);
    }
}

#[test]
fn a_restore_loses_no_column() {
    let place = Place::new(newest(), PRICES);
    place.rule(&rule());
    place.retain(&[]).expect(0);
    place.database.sql("ALTER TABLE price DROP tags");
    let archived = place.count("price_archive");
    let run = place.retain(&["--restore", "price", "--from", "2000-01-01", "--to", "2100-01-01"]).expect(1);
    assert!(run.stdout.contains("public.price has no column tags, as public.price_archive has"), "{run}");
    assert_eq!(place.count("price_archive"), archived);
}

#[test]
fn rows_that_the_archive_swallows_are_not_lost() {
    let place = Place::new(
        newest(),
        &format!(
            "{PRICES} CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.id % 7 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;
            CREATE TRIGGER swallowing BEFORE INSERT ON price_archive FOR EACH ROW EXECUTE FUNCTION swallow()"
        ),
    );
    place.rule(&rule());
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains("the batch is taken back"), "{run}");
    assert_eq!((place.count("price"), place.count("price_archive")), (1003, 0));
}
