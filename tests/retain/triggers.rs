//! What triggers and rules of the user's make of a delete: a run either does exactly what it says, or takes it back.

use serde_json::json;

use super::{Place, Rule};
use crate::common::{Version, newest, versions};

const LOG: &str = "CREATE TABLE log (id int PRIMARY KEY, at timestamptz, gone timestamptz);
    CREATE TABLE log_archive (LIKE log); CREATE TABLE other (LIKE log);
    INSERT INTO log SELECT n, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 100) n;
    CREATE TABLE item (id int PRIMARY KEY, log int REFERENCES log); CREATE INDEX ON item (log);
    INSERT INTO item SELECT n, 1 + n % 100 FROM generate_series(1, 300) n;
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE FUNCTION keep_some() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RETURN CASE WHEN OLD.id % 7 = 0 THEN NULL ELSE OLD END; END $$;
    CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN UPDATE public.log SET gone = now() WHERE id = OLD.id; RETURN NULL; END $$;
    CREATE FUNCTION put_back() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.log VALUES (OLD.id, OLD.at, now()); RETURN NULL; END $$;
    CREATE FUNCTION put_all_back() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.log SELECT id, at, now() FROM went; RETURN NULL; END $$;
    CREATE FUNCTION take_more() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN DELETE FROM public.log WHERE id = 1; RETURN OLD; END $$;
    CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.log_archive VALUES (OLD.*); RETURN OLD; END $$;
    CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF pg_trigger_depth() = 1 THEN INSERT INTO public.log_archive VALUES (NEW.*); END IF; RETURN NEW; END $$;
    CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN DELETE FROM public.log_archive WHERE id = NEW.id; RETURN NULL; END $$;";

/// Everything that a run could change, but for its records.
const ALL: &str = "SELECT (SELECT md5(string_agg(l::text, ',' ORDER BY l.id)) FROM log l),
    (SELECT count(*) FROM log_archive), (SELECT md5(string_agg(i::text, ',' ORDER BY i.id)) FROM item i)";

fn delete() -> Rule {
    Rule::new("public.log", "at", "30 days")
}

fn archive() -> Rule {
    delete().with("action", json!({ "archive": "public.log_archive" }))
}

/// A run changes nothing, ends with this code, and says whose fault it is.
fn taken_back(version: &'static Version, rule: &Rule, sql: &str, code: i32, words: &[&str]) {
    let place = Place::new(version, LOG);
    if rule.0.get("children").is_none() {
        place.database.sql("ALTER TABLE item DROP CONSTRAINT item_log_fkey");
    }
    place.database.sql(sql);
    place.rule(rule);
    let before = place.database.sql(ALL);
    let run = place.retain(&[]).expect(code);
    for word in words {
        assert!(run.stdout.contains(word), "expected `{word}` after {sql}: {run}");
    }
    assert_eq!(place.database.sql(ALL), before, "{sql}: {run}");
    assert!(place.records().ends_with("(>30 days)|0|failed"), "{sql}: {}", place.records());
}

fn trigger(when: &str, function: &str) -> String {
    format!("CREATE TRIGGER suspect {when} FOR EACH ROW EXECUTE FUNCTION {function}()")
}

#[test]
fn rows_that_a_trigger_keeps_or_puts_back_are_not_said_to_be_gone() {
    let named = "trigger `suspect` of `public.log`";
    for version in [&versions()[0], newest()] {
        for rule in [delete(), archive(), delete().with("action", json!({ "archive_files": "archive" }))] {
            for function in ["keep", "keep_some", "mark"] {
                let said = ["chosen rows of public.log did not go", named];
                taken_back(version, &rule, &trigger("BEFORE DELETE ON log", function), 1, &said);
            }
            let said = ["rows came back to the table", named];
            taken_back(version, &rule, &trigger("AFTER DELETE ON log", "put_back"), 1, &said);
            let all = "CREATE TRIGGER suspect AFTER DELETE ON log REFERENCING OLD TABLE AS went \
                FOR EACH STATEMENT EXECUTE FUNCTION put_all_back()";
            taken_back(version, &rule, all, 1, &said);
            let late = "CREATE CONSTRAINT TRIGGER suspect AFTER DELETE ON log DEFERRABLE INITIALLY DEFERRED \
                FOR EACH ROW EXECUTE FUNCTION put_back()";
            taken_back(version, &rule, late, 1, &said);
            let said = ["rows went from the table that the run did not choose", named];
            taken_back(version, &rule, &trigger("AFTER DELETE ON log", "take_more"), 1, &said);
        }
    }
}

#[test]
fn an_archive_that_swallows_or_doubles_rows() {
    for (when, function, said) in [
        ("BEFORE INSERT ON log_archive", "keep", "0 arrived"),
        ("BEFORE INSERT ON log_archive", "again", "rows came to the archive twice"),
        ("AFTER INSERT ON log_archive", "away", "rows went from where they had come to"),
    ] {
        let named = "trigger `suspect` of `public.log_archive`";
        taken_back(newest(), &archive(), &trigger(when, function), 1, &[said, named]);
    }
    let said = ["rows came to the archive twice", "trigger `suspect` of `public.log` (BEFORE DELETE)"];
    taken_back(newest(), &archive(), &trigger("BEFORE DELETE ON log", "copy"), 1, &said);
}

#[test]
fn rules_are_refused_before_the_first_row() {
    for rule in [
        "CREATE RULE suspect AS ON DELETE TO log DO INSTEAD NOTHING",
        "CREATE RULE suspect AS ON DELETE TO log DO INSTEAD UPDATE log SET gone = now() WHERE id = OLD.id RETURNING log.*",
        "CREATE RULE suspect AS ON DELETE TO log DO ALSO INSERT INTO log_archive VALUES (OLD.*)",
        "CREATE RULE suspect AS ON DELETE TO log WHERE OLD.id = 99 DO INSTEAD NOTHING",
    ] {
        let said = ["rule `suspect` of `public.log` (ON DELETE)", "DISABLE RULE suspect"];
        taken_back(newest(), &delete(), rule, 3, &said);
    }
    let elsewhere =
        "CREATE RULE suspect AS ON INSERT TO log_archive DO INSTEAD INSERT INTO other VALUES (NEW.*) RETURNING *";
    taken_back(newest(), &archive(), elsewhere, 3, &["rule `suspect` of `public.log_archive` (ON INSERT)"]);
}

#[test]
fn children_of_rows_that_stay_stay() {
    let rule = delete().with("children", json!([{ "table": "public.item", "foreign_key": "log" }]));
    for version in [&versions()[0], newest()] {
        for function in ["keep", "keep_some"] {
            let said = ["chosen rows of public.log did not go", "trigger `suspect` of `public.log`"];
            taken_back(version, &rule, &trigger("BEFORE DELETE ON log", function), 1, &said);
        }
        let said = ["chosen rows of public.item did not go", "trigger `suspect` of `public.item`"];
        taken_back(version, &rule, &trigger("BEFORE DELETE ON item", "keep_some"), 1, &said);
    }
}

#[test]
fn partitions_and_tables_that_inherit_have_triggers_of_their_own() {
    for (version, ddl) in versions().iter().flat_map(|version| {
        let partitioned = "CREATE TABLE part (id int, at timestamptz) PARTITION BY RANGE (id);
            CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (50); CREATE TABLE part_2 PARTITION OF part DEFAULT;";
        let inheriting = "CREATE TABLE part (id int, at timestamptz); CREATE TABLE part_2 () INHERITS (part);
            CREATE TABLE part_1 () INHERITS (part);";
        let on = |table| format!("CREATE TRIGGER suspect BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_some();");
        [
            (version, format!("{partitioned} {}", on("part"))),
            (version, format!("{partitioned} {}", on("part_2"))),
            (version, format!("{inheriting} {}", on("part_2"))),
        ]
    }) {
        let place = Place::new(version, LOG);
        place.database.sql(&ddl);
        place.database.sql("INSERT INTO part_2 SELECT id, at FROM log WHERE id >= 50");
        place.rule(&Rule::new("public.part", "at", "30 days"));
        let run = place.retain(&[]).expect(1);
        assert!(run.stdout.contains("trigger `suspect` of `public.part"), "{ddl}: {run}");
        assert_eq!(place.count("part"), 51, "{ddl}");
    }
}

#[test]
fn a_trigger_that_does_no_harm_does_not_keep_a_run_from_its_work() {
    let place = Place::new(newest(), LOG);
    place.database.sql("ALTER TABLE item DROP CONSTRAINT item_log_fkey; CREATE TABLE seen (LIKE log);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO public.seen VALUES (OLD.*); UPDATE public.log SET gone = now() WHERE id = 1; RETURN OLD; END $$;");
    place.database.sql(&trigger("BEFORE DELETE ON log", "see"));
    place.database.sql(
        "CREATE TRIGGER off BEFORE DELETE ON log FOR EACH ROW EXECUTE FUNCTION keep();
        ALTER TABLE log DISABLE TRIGGER off",
    );
    place.rule(&archive().batch("rows", json!(20)));
    place.retain(&[]).expect(0);
    assert_eq!((place.count("log"), place.count("log_archive"), place.count("seen")), (30, 70, 70));
    place.database.sql(&trigger("BEFORE INSERT ON log", "keep").replace("suspect", "back"));
    let run = place.retain(&["--restore", "log", "--from", "2000-01-01", "--to", "2100-01-01"]).expect(1);
    assert!(run.stdout.contains("trigger `back` of `public.log` (BEFORE INSERT)"), "{run}");
    assert_eq!((place.count("log"), place.count("log_archive")), (30, 70));
}
