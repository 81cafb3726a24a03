//! Rules that the database runs itself: their procedures, their jobs in `pg_cron`, and what shows when somebody meddles.

use std::thread::sleep;
use std::time::Duration;

use crate::common::cron::{JOBS, NAME, PG_CRON as CRON, Place};

const TABLES: &str = "CREATE TABLE log (id int PRIMARY KEY, at timestamptz, legal_hold bool NOT NULL DEFAULT false);
    INSERT INTO log SELECT n, now() - n * interval '1 hour' FROM generate_series(1, 2400) n;
    INSERT INTO log VALUES (0, NULL, false), (-1, 'infinity', false), (-2, '-infinity', false),
      (-3, now() - interval '1 year', true);
    CREATE TABLE price (id int, \"at 100%\" date, v int GENERATED ALWAYS AS (id * 2) STORED, note text DEFAULT 'it''s');
    INSERT INTO price (id, \"at 100%\") SELECT n, current_date - n FROM generate_series(1, 1000) n;
    CREATE INDEX ON price (\"at 100%\");
    CREATE TABLE batch (id int PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id);
    CREATE TABLE batch_1 PARTITION OF batch FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE batch_2 PARTITION OF batch DEFAULT;
    CREATE TABLE record (id int, batch int REFERENCES batch); CREATE INDEX ON record (batch);
    INSERT INTO batch SELECT n, now() - n * interval '1 day' FROM generate_series(1, 200) n;
    INSERT INTO record SELECT b * 100 + r, b FROM generate_series(1, 200) b, generate_series(1, 30) r; ANALYZE";

const RULES: &str = r#"
retention:
  log: { column: at, retain_for: 30 days, where: "NOT legal_hold", schedule: "0 2 * * *", batch: { rows: 300 } }
  price:
    column: at 100%
    retain_for: 12 months
    action: archive
    archive_to: price_archive
    schedule: "0 2 * * *"
  batch:
    column: at
    retain_for: 90 days
    children: [{ table: record, foreign_key: batch }]
    batch: { rows: 50 }
    schedule: "0 2 * * *"
    vacuum: false
"#;

/// What the demonstration of the manual way asks for: true counts, before anything goes.
const PREVIEW: &str = "SELECT table_name, action, rows_affected FROM reconcile.retention_preview()";

const RECORDS: &str =
    "SELECT table_name, action, rows_affected, outcome, message FROM reconcile.retention_run ORDER BY id";

/// What a run holds, with the table's object identifier.
const RUN_LOCK: i32 = reconcile_core::postgres::lock::RUN_LOCK;

fn places() -> Vec<Place> {
    Place::all(TABLES, RULES)
}

#[test]
fn the_procedures_do_what_the_preview_counts() {
    for place in places() {
        place.apply();
        place.expect_no_changes();
        let counts = "public.record|DELETE (>90 days)|3330\npublic.batch|DELETE (>90 days)|111\n\
            public.log|DELETE (>30 days)|1681\npublic.price|ARCHIVE (>12 months)|";
        let preview = place.sql(PREVIEW);
        assert!(preview.starts_with(counts), "{preview}");
        let untouched = place.sql("SELECT count(*) FROM log, reconcile.retention_run");
        assert_eq!(untouched, "0");
        let dry = place.run(&["retain", "--dry-run"]).expect(0).stdout;
        assert!(dry.contains("1,681") && dry.contains("3,330"), "{dry}");
        let columns = "SELECT array_agg(t::text ORDER BY t::text) FROM (SELECT id, \"at 100%\", v, note FROM ";
        let prices = place.sql(&format!("{columns} price) t"));
        for table in ["batch", "log", "price"] {
            place.sql(&format!("CALL reconcile.\"retain:public.{table}\"()"));
        }
        let records = place.sql(RECORDS);
        let done: Vec<_> = preview.lines().map(|line| format!("{line}|done|")).collect();
        assert_eq!(records, done.join("\n"));
        assert_eq!(place.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM log WHERE id < 1"), "-3,-2,-1,0");
        assert_eq!(place.sql("SELECT count(*) FROM log"), "723");
        let both =
            place.sql(&format!("{columns} price UNION ALL SELECT id, \"at 100%\", v, note FROM price_archive) t"));
        assert_eq!(both, prices);
        assert_eq!(place.sql(PREVIEW).lines().filter(|line| line.ends_with("|0")).count(), 4);
        // Each batch was a transaction of its own.
        assert_eq!(place.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
        place.run(&["retain"]).expect(0);
        assert_eq!(place.sql("SELECT count(*) FROM log"), "723");
    }
}

#[test]
fn jobs_follow_their_rules_and_drift_is_seen() {
    for place in places() {
        place.apply();
        let jobs = "retain:public.batch|0 2 * * *|CALL reconcile.\"retain:public.batch\"()|t\n\
            retain:public.log|0 2 * * *|CALL reconcile.\"retain:public.log\"()|t\n\
            retain:public.price|0 2 * * *|CALL reconcile.\"retain:public.price\"()|t\n\
            vacuum:public.log|30 2 * * *|VACUUM (ANALYZE) public.log|t\n\
            vacuum:public.price|30 2 * * *|VACUUM (ANALYZE) public.price, public.price_archive|t";
        assert_eq!(place.sql(JOBS), jobs);
        for (meddling, said) in [
            (
                "UPDATE cron.job SET schedule = '0 4 * * *' WHERE jobname = 'retain:public.log'",
                "somebody has changed its schedule",
            ),
            (
                "UPDATE cron.job SET command = 'SELECT 1' WHERE jobname = 'retain:public.log'",
                "somebody has changed its command",
            ),
            ("UPDATE cron.job SET active = false WHERE jobname = 'vacuum:public.log'", "somebody has switched it off"),
            ("SELECT cron.unschedule('retain:public.price')", "somebody has unscheduled it"),
            (
                "CREATE OR REPLACE PROCEDURE reconcile.\"retain:public.log\"() LANGUAGE sql AS 'DELETE FROM log'",
                "is not as it should be",
            ),
            ("DROP FUNCTION reconcile.\"preview:public.log\"()", "is not as it should be"),
        ] {
            place.sql(meddling);
            place.expect_planned(said);
            place.apply();
            assert_eq!(place.sql(JOBS), jobs, "{meddling}");
            place.expect_no_changes();
        }
        place
            .project
            .write("schema/tables.yaml", RULES.replace("\"0 2 * * *\", batch", "\"15 3 * * *\", vacuum: false, batch"));
        place.apply();
        let log = "SELECT jobname, schedule FROM cron.job WHERE jobname LIKE '%log'";
        assert_eq!(place.sql(log), "retain:public.log|15 3 * * *");
        // A rule that goes takes its jobs and its procedure with it.
        place.project.write("schema/tables.yaml", "tables: {}\n");
        place.apply();
        let routines = "SELECT count(*) FROM pg_proc WHERE proname ~ ':'";
        assert_eq!((place.sql(JOBS), place.sql(routines)), (String::new(), "0".to_owned()));
        place.expect_no_changes();
        place.project.write("schema/tables.yaml", RULES);
        place.apply();
        place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
        let left = "SELECT (SELECT count(*) FROM cron.job), count(*) FROM pg_namespace WHERE nspname = 'reconcile'";
        assert_eq!(place.sql(left), "0|0");
    }
}

#[test]
fn pg_cron_runs_the_jobs() {
    for place in places() {
        let each_minute = RULES.replace("0 2 * * *", "* * * * *");
        place.project.write("schema/tables.yaml", each_minute);
        place.apply();
        place.wait_until("rows stay", "SELECT count(*) FROM log", "723");
        let done = "SELECT count(DISTINCT table_name) FROM reconcile.retention_run WHERE outcome = 'done' AND rows_affected > 0";
        place.wait_until("a run is not recorded", done, "4");
        let vacuumed = "SELECT count(*) FROM pg_stat_user_tables WHERE relname IN ('log', 'price', 'price_archive') \
            AND last_vacuum IS NOT NULL AND last_analyze IS NOT NULL";
        place.wait_until("no VACUUM", vacuumed, "3");
        let failed = "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'";
        assert_eq!(place.sql(failed), "0");
    }
}

#[test]
fn a_procedure_refuses_what_a_run_refuses() {
    for place in places() {
        let rules = RULES.replace("batch: { rows: 300 }", "limits: { max_rows: 100 }");
        place.project.write("schema/tables.yaml", rules);
        place.apply();
        let call = |table: &str| {
            let result = place.server.psql(NAME, &format!("CALL reconcile.\"retain:public.{table}\"()"));
            let last = place.sql(&format!("{RECORDS} DESC LIMIT 1"));
            assert!(result.is_err() || last.contains("|skipped|"), "{result:?} {last}");
            last
        };
        assert_eq!(
            call("log"),
            "public.log|DELETE (>30 days)|0|skipped|1681 of the 2404 rows of public.log would go; its limits allow 100"
        );
        place.sql("CREATE TABLE pointing (batch int REFERENCES batch ON DELETE CASCADE)");
        assert!(call("batch").contains("|failed|foreign key pointing_batch_fkey of pointing points at"));
        place.sql("DROP TABLE pointing; ALTER TABLE price ADD COLUMN later int");
        assert!(call("price").contains("has a column later that its archive does not get"));
        // A changed rule that is not applied runs nowhere, nor does a forgotten one.
        place.run(&["forget", "retention/public.batch"]).expect(0);
        assert!(call("batch").contains("|skipped|the rule is no longer in force"));
        assert_eq!(place.sql("SELECT count(*) FROM batch"), "200");
        assert_eq!(place.sql("SELECT count(*) FROM price"), "1000");
        // Another run is at work.
        let lock = format!("SELECT pg_advisory_lock({RUN_LOCK}, 'price'::regclass::oid::int), pg_sleep(3)");
        std::thread::scope(|scope| {
            let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
            scope.spawn(|| place.server.psql(NAME, &lock));
            place.wait_until("nobody holds the lock", held, "1");
            assert!(call("price").contains("|skipped|another run of this rule is at work"));
        });
        // Row-level security that would hide rows.
        place.sql(
            "CREATE ROLE limited; GRANT ALL ON ALL TABLES IN SCHEMA public, reconcile TO limited;
             GRANT ALL ON ALL SEQUENCES IN SCHEMA reconcile TO limited; GRANT CREATE ON SCHEMA public TO limited;
             ALTER TABLE log ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON log USING (id < 100)",
        );
        let limited = "SET ROLE limited; CALL reconcile.\"retain:public.log\"()";
        let error = place.server.psql(NAME, limited).unwrap_err().to_string();
        assert!(error.contains("row-level security"), "{error}");
        assert_eq!(place.sql("SELECT count(*) FROM log"), "2404");
    }
}

#[test]
fn a_procedure_that_is_killed_leaves_each_row_in_one_place() {
    for place in places() {
        let slow = RULES.replace("    archive_to", "    batch: { rows: 20, sleep: 5ms }\n    archive_to");
        place.project.write("schema/tables.yaml", slow);
        place.apply();
        let every =
            "SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM price UNION ALL SELECT id FROM price_archive) t";
        let archived = "SELECT count(*) FROM price_archive";
        for round in 0..8 {
            std::thread::scope(|scope| {
                let call = scope.spawn(|| place.server.psql(NAME, "CALL reconcile.\"retain:public.price\"()"));
                sleep(Duration::from_millis(20 + 13 * round));
                place.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'CALL%'");
                drop(call.join());
            });
            assert_eq!(place.sql(every), "1000|1000");
            let counted = "SELECT coalesce(sum(rows_affected), 0) FROM reconcile.retention_run";
            assert_eq!(place.sql(archived), place.sql(counted));
        }
        assert_ne!(place.sql(archived), "0");
        place.sql("CALL reconcile.\"retain:public.price\"()");
        assert_eq!(place.sql(every), "1000|1000");
        assert!(place.sql(PREVIEW).contains("public.price|ARCHIVE (>12 months)|0"));
    }
}

#[test]
fn without_the_extension_a_plan_says_what_to_do() {
    for place in places() {
        place.sql("DROP EXTENSION pg_cron");
        let run = place.run(&["plan"]).expect(1);
        assert!(run.stderr.contains("schema/tables.yaml:3") && run.stderr.contains("scheduler: external"), "{run}");
        place.project.write("reconcile.yaml", CRON.replace("pg_cron", "external"));
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql("SELECT count(*) FROM pg_proc WHERE proname ~ '^retain:'"), "0");
        assert!(place.sql(PREVIEW).contains("public.log|DELETE (>30 days)|1681"));
    }
}

#[test]
fn a_procedure_takes_back_what_triggers_make_of_it() {
    const FUNCTIONS: &str = "CREATE FUNCTION keep_some() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RETURN CASE WHEN OLD.id % 7 = 0 THEN NULL ELSE OLD END; END $$;
        CREATE FUNCTION put_back() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN EXECUTE format('INSERT INTO %s SELECT ($1).*', TG_RELID::regclass) USING OLD; RETURN NULL; END $$;
        CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN DELETE FROM public.price_archive WHERE id = NEW.id; RETURN NULL; END $$;";
    let all = "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM price), (SELECT count(*) FROM price_archive), \
        (SELECT count(*) FROM batch), (SELECT count(*) FROM record)";
    for place in places() {
        place.sql(FUNCTIONS);
        place.apply();
        for (rule, table, when, function, said) in [
            ("log", "log", "BEFORE DELETE", "keep_some", "chosen rows did not go"),
            ("log", "log", "AFTER DELETE", "put_back", "rows came back"),
            ("price", "price", "BEFORE DELETE", "keep_some", "chosen rows did not go"),
            ("price", "price_archive", "AFTER INSERT", "away", "went unseen"),
            ("batch", "batch", "BEFORE DELETE", "keep_some", "chosen rows did not go"),
            ("batch", "record", "BEFORE DELETE", "keep_some", "chosen rows of a child did not go"),
        ] {
            let before = place.sql(all);
            place.sql(&format!("CREATE TRIGGER suspect {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"));
            let error = place.server.psql(NAME, &format!("CALL reconcile.\"retain:public.{rule}\"()")).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(said) && error.contains("trigger suspect of"), "{table} {when}: {error}");
            if rule == "batch" {
                // Batches before this one are done: each row of those that stay has all that points at it.
                assert_eq!(place.sql("SELECT count(*) = 30 * (SELECT count(*) FROM batch) FROM record"), "t");
            } else {
                assert_eq!(place.sql(all), before, "{table} {when}");
                let last =
                    place.sql("SELECT outcome, rows_affected FROM reconcile.retention_run ORDER BY id DESC LIMIT 1");
                assert_eq!(last, "failed|0");
            }
            place.sql(&format!("DROP TRIGGER suspect ON {table}"));
        }
        place.sql("CREATE RULE suspect AS ON DELETE TO log DO INSTEAD NOTHING");
        let error = place.server.psql(NAME, "CALL reconcile.\"retain:public.log\"()").unwrap_err().to_string();
        assert!(error.contains("rule suspect of log"), "{error}");
        place.sql("DROP RULE suspect ON log");
        // One locked row is left for the next run.
        std::thread::scope(|scope| {
            let hold = "BEGIN; SELECT FROM log WHERE id = 2000 FOR UPDATE; SELECT pg_sleep(3); COMMIT";
            scope.spawn(|| place.server.psql(NAME, hold));
            sleep(Duration::from_millis(500));
            place.sql("CALL reconcile.\"retain:public.log\"()");
        });
        let last = place.sql("SELECT outcome, rows_affected FROM reconcile.retention_run ORDER BY id DESC LIMIT 1");
        assert!(last == "done|1681" || last == "stopped|1680", "{last}");
    }
}
