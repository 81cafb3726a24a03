//! Rows that are written to files: what stands in them, what the manifest says of them, and what is refused.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::scope;

use flate2::read::MultiGzDecoder;
use reconcile_core::digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Place, Rule, steps};
use crate::common::{Run, newest, versions};

/// What `manifest.json` says of the files of a folder.
pub(super) fn manifest(folder: &Path) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(folder.join("manifest.json")) else { return Vec::new() };
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["format_version"], 1);
    manifest["files"].as_array().unwrap().clone()
}

/// The lines that a folder holds by its manifest, which has to be true to the byte.
pub(super) fn lines(folder: &Path) -> Vec<String> {
    let files = manifest(folder);
    let mut lines = Vec::new();
    for file in &files {
        let bytes = fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
        assert_eq!(file["bytes"], bytes.len(), "{file}");
        assert_eq!(file["sha256"], hexadecimal(&bytes), "{file}");
        let text = unpacked(&bytes);
        assert_eq!(file["rows"], text.lines().count(), "{file}");
        lines.extend(text.lines().map(str::to_owned));
    }
    let data = fs::read_dir(folder).map_or(0, |entries| {
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "gz")).count()
    });
    assert_eq!(data, files.len(), "files that the manifest does not tell of");
    lines
}

pub(super) fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    digest::hexadecimal(&Sha256::digest(bytes))
}

fn rule(table: &str) -> Rule {
    Rule::new(table, "at", "30 days").with("action", json!({ "archive_files": "archive" })).batch("rows", json!(90))
}

impl Place {
    fn folder(&self) -> PathBuf {
        self.project.path().join("archive")
    }

    /// Reads all files back by the way that a refused restore shows.
    fn read_back(&self, table: &str) {
        let run = self.retain(&["--restore", table, "--from", "2000-01-01", "--to", "2100-01-01"]).expect(1);
        let said: Value = serde_json::from_str(&run.stdout).unwrap();
        let (_, way) = said["hint"].as_str().unwrap().split_once("in psql: ").unwrap();
        let (create, way) = way.split_once("; ").unwrap();
        let (copy, insert) = way.split_once(" and then ").unwrap();
        let mut script = format!("{create};\n");
        for file in manifest(&self.folder()) {
            let path = self.folder().join(file["file"].as_str().unwrap());
            script.push_str(&format!("{}\n", copy.replace("FILE", &path.display().to_string())));
        }
        script.push_str(insert);
        self.database.sql(&script);
    }
}

const KINDS: &str = r#"
    CREATE SCHEMA odd; CREATE TYPE odd.mood AS ENUM ('fine', 'so "so"'); CREATE TYPE odd.pair AS (a int, b text);
    CREATE DOMAIN odd.percent AS numeric CHECK (VALUE <= 100); CREATE DOMAIN odd.list AS int[]; CREATE DOMAIN odd.json AS json CHECK (VALUE IS NOT NULL OR true);
    CREATE TYPE odd.amount AS (n numeric); CREATE FUNCTION odd.as_json(odd.amount) RETURNS json LANGUAGE sql IMMUTABLE
    AS $$ SELECT json_build_object('amount', ($1).n) $$; CREATE CAST (odd.amount AS json) WITH FUNCTION odd.as_json(odd.amount);
    CREATE TABLE kinds (id int GENERATED ALWAYS AS IDENTITY, at timestamptz, "Odd ""name""" text, "reconcile_row" int, kinds bool,
      i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric, np numeric(12, 4), b bool, c char(5), vc varchar(9),
      by bytea, d date, ts timestamp, tz timestamptz, ti time, tt timetz, iv interval, u uuid, j json, jb jsonb, jd odd.json, jk jsonb NOT NULL DEFAULT '{}',
      ia int[], ta text[], ja jsonb[], na numeric[], tza timestamptz[], m odd.mood, p odd.pair, pa odd.pair[], pc odd.percent,
      l odd.list, am odd.amount, ip inet, ci cidr, mac macaddr, bi bit(3), vb varbit, r int4range, mr tstzmultirange, ts_v tsvector, x xml,
      pt point, mo money, o oid, rc regclass, na_me name, gen int GENERATED ALWAYS AS (i2 * 2) STORED);
    INSERT INTO kinds (at, "Odd ""name""", "reconcile_row", kinds, i2, i8, f4, f8, n, np, b, c, vc, by, d, ts, tz, ti, tt, iv, u, j, jb, ia, ta, ja, na,
      tza, m, p, pa, pc, l, am, ip, ci, mac, bi, vb, r, mr, ts_v, x, pt, mo, o, rc, na_me) VALUES
    ('2020-02-29 12:00:00.123456+05:30', E'tab\t, line\n, "quote", back\\slash, \u2028, ümlaut, \u0001', 7, true, -32768, 9223372036854775807, 'NaN', 'Infinity', 'NaN',
      12345678.9, false, 'ab', 'ü', '\xdeadbeef00', 'infinity', '-infinity', '0044-03-15 12:00 BC', '24:00', '10:11:12.5+13',
      '1 year -2 days 03:04:05.678', gen_random_uuid(), E'{"a" :\n 1.50,  "a": [null, "\\n"]}', '{"z": 1.50, "n": null}',
      '[0:1]={1,2}', ARRAY[['a', NULL], ['', 'NULL']], ARRAY['null'::jsonb, NULL, '1'], ARRAY[1.10, 'NaN'], ARRAY['infinity', now()]::timestamptz[],
      'so "so"', ROW(NULL, NULL), ARRAY[ROW(1, 'x,"y'), NULL]::odd.pair[], 99.90, '{3,4}', ROW(1.20), '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03',
      B'101', B'1', '[1,5)', '{[2020-01-01,2021-01-01)}', 'a:1 b', '<a>&amp;</a>', '(1,2.5)', 1234.5, 4000000000, 'pg_class', 'n'),
    ('2001-01-01', '', NULL, NULL, 0, 0, 1e-40, 4.9e-324, 1e50, 0.1000, true, '', '', '', '2001-01-01', '2001-01-01', '2001-01-01', '00:00', '00:00Z', '0', NULL,
      '"null"', '"text"', '{}', '{}', '{}', '{{1,2},{3,4}}', '{}', 'fine', ROW(2147483647, ''), '{}', 0, '{}', NULL, '::1', '::/0', NULL, B'000', B'', 'empty', '{}', '', NULL, '(0,-0)', -1, 0, NULL, ''),
    ('1901-01-01', NULL, NULL, NULL, NULL, NULL, NULL, 0.1, 0.30000000000000004, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO kinds (at, j, jb, jd, jk) VALUES ('2002-01-01', 'null', 'null', 'null', 'null'), ('2002-01-02', NULL, 'null', NULL, 'null'),
      ('2002-01-03', '[null]', '"null"', '{"a": null}', '[]');
    INSERT INTO kinds (at, f8, n) SELECT now() - n * interval '1 day' - interval '1 hour', random() * 1e20, random() FROM generate_series(1, 300) n;
    INSERT INTO kinds (at) VALUES (NULL), ('infinity'), ('-infinity');
    CREATE TABLE before AS TABLE kinds;
"#;

#[test]
fn rows_of_every_kind_come_back_as_they_were_and_the_manifest_is_true() {
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, KINDS);
        place.rule(&rule("public.kinds").with("vacuum", json!(true)));
        let preview = place.retain(&["--dry-run"]).expect(0);
        assert!(!place.folder().exists());
        let run = place.retain(&[]).expect(0);
        assert_eq!(steps(&run)[0], ("public.kinds".into(), "ARCHIVE (>30 days)".into(), 277, "done".into()));
        assert_eq!(steps(&preview)[..], steps(&run)[..1]);
        assert_eq!((lines(&place.folder()).len(), place.count("kinds")), (277, 32));
        let files = manifest(&place.folder());
        assert_eq!((files.len(), &files[0]["table"]), (1, &json!("public.kinds")));
        assert_eq!(files[0]["from"], "1901-01-01 00:00:00+00");
        let high = "SET TimeZone = 'UTC'; SELECT max(at) FROM before WHERE at < now() - interval '30 days'";
        assert_eq!(files[0]["to"], place.database.sql(high));
        assert_eq!(files[0]["columns"][1], json!({ "name": "at", "type": "timestamp with time zone" }));
        assert_eq!(files[0]["columns"].as_array().unwrap().len(), 52);
        place.retain(&[]).expect(0);
        assert_eq!(place.records(), "public.kinds|ARCHIVE (>30 days)|0|done");
        assert_eq!((manifest(&place.folder()), lines(&place.folder()).len()), (files, 277));
        place.read_back("kinds");
        let differs = |a: &str, b: &str| {
            let text = |table: &str| format!("SELECT translate(t::text, E'\\n', ' ') FROM {table} t");
            place.database.sql(&format!("{} EXCEPT ALL {}", text(a), text(b)))
        };
        assert_eq!((differs("before", "kinds"), differs("kinds", "before")), (String::new(), String::new()));
        assert_eq!(place.count("kinds"), 309);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place.folder()), 0o700);
        for entry in fs::read_dir(place.folder()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
}

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at date, pad text DEFAULT repeat('x', 20)); \
    INSERT INTO t SELECT n, current_date - n FROM generate_series(1, 1000) n;";

/// The identifiers of all rows, those in the table first.
fn ids(place: &Place, table: &str) -> Vec<u64> {
    let inside = place.database.sql(&format!("SELECT id FROM {table}"));
    let inside = inside.lines().map(|id| id.parse().unwrap());
    let lines = lines(&place.folder()).into_iter();
    let mut ids: Vec<u64> =
        inside.chain(lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()["id"].as_u64().unwrap())).collect();
    ids.sort_unstable();
    ids
}

fn refused(place: &Place, words: &str) -> Run {
    let before = place.tuples("t");
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains(words), "expected `{words}`: {run}");
    assert_eq!(before, place.tuples("t"));
    run
}

#[test]
fn a_file_that_is_not_as_it_was_written_forbids_the_run() {
    let place = Place::new(newest(), T);
    place.rule(&rule("public.t"));
    place.retain(&[]).expect(0);
    place.database.sql("INSERT INTO t VALUES (2000, '2001-01-01')");
    let path = place.folder().join(manifest(&place.folder())[0]["file"].as_str().unwrap());
    let good = fs::read(&path).unwrap();
    let mut wrong = good.clone();
    wrong[good.len() / 2] ^= 1;
    for sealed in ["sealed", "NULL"] {
        place.database.sql(&format!("UPDATE reconcile.archive_file SET sealed = {sealed}"));
        fs::write(&path, &wrong).unwrap();
        refused(&place, "is not what was written");
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        refused(&place, "bytes that were written");
        fs::remove_file(&path).unwrap();
        refused(&place, "is not there, and archived rows were in it");
    }
    fs::write(&path, [&good[..], b"more"].concat()).unwrap();
    place.database.sql("UPDATE reconcile.archive_file SET sealed = 1");
    refused(&place, "is not what was written");
    // What a run that was broken off leaves behind what counts.
    place.database.sql("UPDATE reconcile.archive_file SET sealed = NULL");
    place.retain(&[]).expect(0);
    assert_eq!(fs::read(&path).unwrap(), good);
    assert_eq!(ids(&place, "t"), (1..=1000).chain([2000]).collect::<Vec<_>>());
    // A copy has another time, and is as good.
    fs::write(&path, &good).unwrap();
    fs::remove_file(place.folder().join("manifest.json")).unwrap();
    place.retain(&[]).expect(0);
    assert_eq!(lines(&place.folder()).len(), 971);
    fs::write(place.folder().join("manifest.json"), "{").unwrap();
    refused(&place, "is no manifest that this version knows");
}

#[test]
fn a_folder_that_cannot_be_written_to_deletes_nothing() {
    let place = Place::new(newest(), T);
    place.project.write("file", "");
    for (folder, words) in [
        ("file", "cannot make the folder"),
        ("file/below", "name a folder"),
        ("/proc/no/such", "cannot make the folder"),
    ] {
        place.rule(&rule("public.t").with("action", json!({ "archive_files": folder })));
        refused(&place, words);
        assert_eq!(place.records(), "public.t|ARCHIVE (>30 days)|0|failed");
    }
}

#[test]
fn a_disk_that_is_full_takes_the_batch_back() {
    let place = Place::new(newest(), T);
    place.database.sql("UPDATE t SET pad = (SELECT string_agg(md5(id * n || 'x'), '') FROM generate_series(1, 30) n)");
    place.rule(&rule("public.t"));
    // No file gets larger than this.
    let program = place.project.command(&["retain", "--json"]);
    let mut limited = Command::new("bash");
    limited.arg("-c").arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"").arg(program.get_program());
    limited.args(program.get_args()).current_dir(place.project.path()).env("DATABASE_URL", place.database.url());
    let run = Run::of(&mut limited).expect(1);
    assert!(run.stdout.contains("cannot write") && run.stdout.contains("make room"), "{run}");
    let archived = 1000 - place.count("t");
    assert!(archived > 0 && archived < 500, "{archived}");
    assert_eq!(lines(&place.folder()).len() as u64, archived);
    place.retain(&[]).expect(0);
    assert_eq!(ids(&place, "t"), (1..=1000).collect::<Vec<_>>());
    assert_eq!(manifest(&place.folder()).len(), 2);
}

#[test]
fn a_batch_that_cannot_commit_leaves_no_row_in_a_file() {
    let place = Place::new(
        newest(),
        &format!(
            "{T} CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF OLD.id = 500 THEN RAISE 'row 500 stays'; END IF; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER held AFTER DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();"
        ),
    );
    place.rule(&rule("public.t"));
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains("row 500 stays"), "{run}");
    assert_eq!(ids(&place, "t"), (1..=1000).collect::<Vec<_>>());
    assert!(place.count("t") > 501 && place.count("t") < 900);
    place.database.sql("DROP TRIGGER held ON t");
    place.retain(&[]).expect(0);
    assert_eq!(ids(&place, "t"), (1..=1000).collect::<Vec<_>>());
    assert_eq!(place.count("t"), 30);
}

#[test]
fn a_batch_that_is_tried_again_stands_once_in_the_file() {
    let place = Place::new(
        newest(),
        &format!(
            "{T} CREATE SEQUENCE tries; CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF OLD.id % 300 = 0 AND nextval('public.tries') % 2 = 1 THEN RAISE 'met' USING ERRCODE = '40001'; END IF;
            RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER met AFTER DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION meet();"
        ),
    );
    place.rule(&rule("public.t"));
    let run = place.retain(&[]).expect(0);
    assert_eq!(place.database.sql("SELECT last_value FROM tries"), "6", "{run}");
    assert_eq!((ids(&place, "t"), place.count("t")), ((1..=1000).collect::<Vec<_>>(), 30));
}

#[test]
fn names_of_all_sorts_partitions_and_indexes() {
    let place = Place::new(
        newest(),
        r#"CREATE SCHEMA "../up"; CREATE TABLE "../up"."/etc/p ü" (id int, "At" date) PARTITION BY RANGE ("At");
        CREATE TABLE "../up".".." PARTITION OF "../up"."/etc/p ü" FOR VALUES FROM (MINVALUE) TO ('2010-01-01');
        CREATE TABLE "../up".rest PARTITION OF "../up"."/etc/p ü" DEFAULT;
        INSERT INTO "../up"."/etc/p ü" SELECT n, date '2009-01-01' + n FROM generate_series(1, 800) n;
        CREATE INDEX ON "../up".".." ("At"); ANALYZE"#,
    );
    let name = r#""../up"."/etc/p ü""#;
    place.rule(&Rule(
        json!({ "column": "At", "table": name, "retain_for": "1 month", "action": { "archive_files": "archive" },
        "batch": { "rows": 7, "target_ms": 100, "sleep_ms": 0 }, "vacuum": false }),
    ));
    place.retain(&[]).expect(0);
    assert_eq!(place.count(name), 0);
    assert_eq!(ids(&place, name), (1..=800).collect::<Vec<_>>());
    let files = manifest(&place.folder());
    assert_eq!((&files[0]["from"], &files[0]["to"]), (&json!("2009-01-02"), &json!("2011-03-12")));
    assert_eq!(files[0]["table"], r#""../up"."/etc/p ü""#);
    assert!(files[0]["file"].as_str().unwrap().starts_with("___up._etc_p__-"), "{files:?}");
}

#[test]
fn rules_share_a_folder_at_the_same_time() {
    let place =
        Place::new(newest(), &format!("{T} CREATE TABLE u (LIKE t); INSERT INTO u SELECT id + 5000, at FROM t"));
    let slow = |table| rule(table).batch("rows", json!(20)).batch("sleep_ms", json!(2));
    place.rule(&slow("public.t"));
    place.rule(&slow("public.u"));
    scope(|scope| {
        for table in ["t", "u"] {
            let place = &place;
            scope.spawn(move || place.retain(&[table]).expect(0));
        }
    });
    assert_eq!(lines(&place.folder()).len(), 2 * 970);
    assert_eq!(ids(&place, "(TABLE t UNION ALL TABLE u) a"), (1..=1000).chain(5001..=6000).collect::<Vec<_>>());
}

#[test]
fn columns_that_only_heirs_have_are_not_lost() {
    let place = Place::new(newest(), &format!("{T} CREATE TABLE heir (more int) INHERITS (t)"));
    place.rule(&rule("public.t"));
    refused(&place, "public.heir has columns that public.t has not");
    place.database.sql("ALTER TABLE heir DROP more; INSERT INTO heir VALUES (1001, '2001-01-01')");
    place.retain(&[]).expect(0);
    assert_eq!((ids(&place, "t"), place.count("heir")), ((1..=1001).collect::<Vec<_>>(), 0));
}

#[test]
fn restoring_says_how_and_children_are_refused() {
    let place = Place::new(newest(), &format!("{T} CREATE TABLE c (t int REFERENCES t)"));
    place.rule(&rule("public.t").with("children", json!([{ "table": "public.c", "foreign_key": "t" }])));
    refused(&place, "rows of children would not be archived");
    place.database.sql("DROP TABLE c");
    place.rule(&rule("public.t"));
    let run = place.retain(&["--restore", "t", "--from", "2000-01-01", "--to", "2100-01-01"]).expect(1);
    assert!(run.stdout.contains("the rows of public.t were archived to files in /"), "{run}");
}

#[test]
fn a_registry_of_the_second_layout_gets_what_files_need() {
    let place = Place::new(newest(), T);
    place.database.sql("DROP TABLE reconcile.archive_file, reconcile.refresh_run; ALTER TABLE reconcile.retention_run DROP backlog; ALTER TABLE reconcile.resource DROP object, DROP basis; UPDATE reconcile.layout SET version = 2");
    place.rule(&rule("public.t"));
    refused(&place, "reconcile apply` once");
    place.database.sql("DELETE FROM reconcile.resource WHERE address LIKE 'retention/%'");
    place.project.write("schema/tables.yaml", "tables: { anchor: { indexes: { other: [a] } } }\n");
    place.project.apply(&place.database);
    place.rule(&rule("public.t"));
    place.retain(&[]).expect(0);
    assert_eq!((lines(&place.folder()).len(), place.count("t")), (970, 30));
}

#[test]
fn another_folder_does_not_leave_rows_twice_in_the_former_one() {
    let place = Place::new(newest(), T);
    place.rule(&rule("public.t"));
    place.retain(&[]).expect(0);
    let path = place.folder().join(manifest(&place.folder())[0]["file"].as_str().unwrap());
    let good = fs::read(&path).unwrap();
    // As if that run had been broken off.
    fs::write(&path, [&good[..], &good[..]].concat()).unwrap();
    place.database.sql("UPDATE reconcile.archive_file SET sealed = NULL; INSERT INTO t VALUES (2000, '2001-01-01')");
    let other = tempfile::tempdir().unwrap();
    let below = other.path().join("deep/below");
    place.rule(&rule("public.t").with("action", json!({ "archive_files": below })));
    place.retain(&[]).expect(0);
    assert_eq!((lines(&place.folder()).len(), lines(&below).len()), (970, 1));
}
