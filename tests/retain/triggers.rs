//! Triggers and rules that keep rows from going, or make something else of it: a run proves what went, or takes it back.

use serde_json::json;

use super::{Place, Rule};
use crate::common::{newest, versions};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, gone timestamptz);
    INSERT INTO t SELECT n, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 100) n;
    CREATE TABLE old (LIKE t);
    CREATE TABLE item (id int, t int REFERENCES t); CREATE INDEX ON item (t);
    INSERT INTO item SELECT n * 10 + i, n FROM generate_series(1, 100) n, generate_series(1, 3) i;";

fn trigger(when: &str, table: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER meddling {when} ON {table} FOR EACH ROW EXECUTE FUNCTION meddle();"
    )
}

fn rule() -> Rule {
    Rule::new("public.t", "at", "30 days")
        .with("children", json!([{ "table": "public.item", "foreign_key": "t" }]))
        .batch("rows", json!(20))
}

fn archiving() -> Rule {
    Rule::new("public.t", "at", "30 days").with("action", json!({ "archive": "public.old" })).batch("rows", json!(20))
}

/// Nothing has changed, and the run names what is to blame.
fn taken_back(place: &Place, words: &str) {
    let all = || ["t", "item", "old"].map(|table| place.tuples(table));
    let before = all();
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains(words) && run.stdout.contains("the trigger meddling of public."), "{run}");
    assert!(run.stdout.contains("the batch is taken back"), "{run}");
    assert_eq!(
        before.map(|table| table.split('|').next().map(str::to_owned)),
        all().map(|t| t.split('|').next().map(str::to_owned))
    );
}

#[test]
fn a_trigger_that_only_marks_rows() {
    let body = "UPDATE public.t SET gone = now() WHERE id = OLD.id; RETURN NULL;";
    for version in versions() {
        let place = Place::new(version, &format!("{T} {}", trigger("BEFORE DELETE", "t", body)));
        place.rule(&rule());
        taken_back(&place, "rows of public.t were chosen and 0 of them went");
        place.rule(&archiving());
        place.database.sql("DROP TABLE item; CREATE TABLE item (id int)");
        taken_back(&place, "rows of public.t were chosen and 0 of them went");
        assert_eq!(place.database.sql("SELECT count(*) FROM t WHERE gone IS NOT NULL"), "0");
    }
}

#[test]
fn children_of_rows_that_stay_stay() {
    let body = "IF OLD.id % 10 = 0 THEN RETURN NULL; END IF; RETURN OLD;";
    let place = Place::new(newest(), &format!("{T} {}", trigger("BEFORE DELETE", "t", body)));
    place.rule(&rule());
    taken_back(&place, "rows of public.t were chosen and");
    // What the rule leaves out, it leaves alone.
    place.rule(&rule().with("where", json!("id % 10 <> 0")));
    place.retain(&[]).expect(0);
    let whole = "SELECT count(*), (SELECT count(*) FROM item) = 3 * count(*) FROM t";
    assert_eq!(place.database.sql(whole), "37|t");
}

#[test]
fn children_that_a_trigger_keeps() {
    let body = "IF OLD.id % 10 = 1 THEN RETURN NULL; END IF; RETURN OLD;";
    let place = Place::new(newest(), &format!("{T} {}", trigger("BEFORE DELETE", "item", body)));
    place.rule(&rule());
    taken_back(&place, "rows of public.item were chosen and");
}

#[test]
fn a_trigger_that_brings_rows_back() {
    let body = "INSERT INTO public.t VALUES (OLD.id + 1000, OLD.at, now()); RETURN OLD;";
    let place = Place::new(newest(), &format!("{T} {}", trigger("AFTER DELETE", "t", body)));
    place.rule(&rule());
    taken_back(&place, "rows came to public.t while");
}

#[test]
fn a_trigger_that_deletes_more() {
    let body = "DELETE FROM public.t WHERE id = OLD.id - 30; RETURN OLD;";
    let place = Place::new(
        newest(),
        &format!("{T} {} DROP TABLE item; CREATE TABLE item (id int)", trigger("AFTER DELETE", "t", body)),
    );
    place.rule(&archiving());
    taken_back(&place, "deleted ones");
}

#[test]
fn an_archive_that_swallows_doubles_or_empties() {
    for (when, body, words) in [
        ("BEFORE INSERT", "RETURN NULL;", "rows were to move and 0 arrived"),
        (
            "AFTER INSERT",
            "IF pg_trigger_depth() = 1 THEN INSERT INTO public.old SELECT NEW.*; END IF; RETURN NULL;",
            "came to its archive",
        ),
        ("AFTER INSERT", "DELETE FROM public.old WHERE id = NEW.id; RETURN NULL;", "its archive"),
    ] {
        let sql = format!("{T} DROP TABLE item; CREATE TABLE item (id int); {}", trigger(when, "old", body));
        let place = Place::new(newest(), &sql);
        place.rule(&archiving());
        let before = (place.count("t"), place.count("old"));
        let run = place.retain(&[]).expect(1);
        assert!(run.stdout.contains(words), "expected `{words}`: {run}");
        assert_eq!(before, (place.count("t"), place.count("old")));
    }
}

#[test]
fn triggers_that_only_look_on_are_no_hindrance() {
    let place = Place::new(
        newest(),
        &format!(
            "{T} CREATE TABLE seen (id int); {}",
            trigger("BEFORE DELETE", "t", "INSERT INTO public.seen VALUES (OLD.id); RETURN OLD;")
        ),
    );
    place.rule(&rule());
    place.retain(&[]).expect(0);
    assert_eq!((place.count("t"), place.count("item"), place.count("seen")), (30, 90, 70));
}

#[test]
fn rules_that_write_a_statement_anew_are_unsafe() {
    for (rule, sql) in [
        (rule(), "CREATE RULE keep AS ON DELETE TO t DO INSTEAD NOTHING"),
        (rule(), "CREATE RULE keep AS ON DELETE TO item DO INSTEAD UPDATE item SET id = 0 WHERE id = OLD.id"),
        (
            archiving(),
            "DROP TABLE item; CREATE TABLE item (id int); CREATE RULE keep AS ON INSERT TO old DO INSTEAD NOTHING",
        ),
    ] {
        let place = Place::new(newest(), &format!("{T} {sql}"));
        place.rule(&rule);
        let run = place.retain(&[]).expect(3);
        assert!(run.stdout.contains("the rule keep of public."), "{run}");
        assert_eq!((place.count("t"), place.count("old")), (100, 0));
    }
}
