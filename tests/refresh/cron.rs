//! Views that the database refreshes itself: a job and a procedure for each chain, and what shows when somebody meddles.

use crate::common::{
    cron::{JOBS, NAME, PG_CRON, Place},
    versions,
};

use super::{RECORDS, TABLE};

/// `c` is read by `b`, `b` by `a`, and `c` by `late` at another time; `lone` has nothing to do with them. Names say the
/// contrary of their order.
const VIEWS: &str = r#"
materialized_views:
  a: { query: SELECT n + 1 AS n FROM b, with_data: false, refresh: { schedule: "0 3 * * *" } }
  b:
    query: SELECT n + 1 AS n FROM c
    indexes: { b_key: { columns: [n], unique: true } }
    refresh: { schedule: "0 3 * * *", concurrently: true, timeout: 1h, timezone: Europe/Berlin }
  c: { query: SELECT 100 / min(id) AS n FROM t, refresh: { schedule: "0 3 * * *" } }
  late: { query: SELECT n FROM c, refresh: { schedule: "0 4 * * *" } }
  lone: { query: SELECT count(*) AS n FROM t, refresh: { schedule: "0 3 * * *" } }
  asked: { query: SELECT n FROM c }
"#;

const IN_PLACE: &str = "refresh:public.c|0 3 * * *|CALL reconcile.\"refresh:public.c\"()|t\n\
    refresh:public.late|0 4 * * *|CALL reconcile.\"refresh:public.late\"()|t\n\
    refresh:public.lone|0 3 * * *|CALL reconcile.\"refresh:public.lone\"()|t";

const ROUTINES: &str = "SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc WHERE proname ~ '^refresh:'";

const REASONS: &str = "SELECT view_name, outcome, message FROM reconcile.refresh_run \
    WHERE run = (SELECT max(run) FROM reconcile.refresh_run) ORDER BY id";

const CALL: &str = "CALL reconcile.\"refresh:public.c\"()";

fn places(views: &str) -> Vec<Place> {
    let places = Place::all(TABLE, views);
    for place in &places {
        place.apply();
        place.expect_no_changes();
    }
    places
}

#[test]
fn a_chain_has_a_job_and_drift_is_put_right() {
    for place in Place::all(TABLE, VIEWS) {
        let plan = place.run(&["plan"]).expect(0).stdout;
        for note in [
            "it is refreshed at `0 4 * * *` and reads public.c, which is at `0 3 * * *`",
            "pg_cron does not hold the refresh of public.b to its `timeout` of 3600000 ms; `reconcile refresh` does",
            "in the time zone GMT, not in the view's Europe/Berlin",
        ] {
            assert!(plan.contains(note), "{note}: {plan}");
        }
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(JOBS), IN_PLACE);
        for (meddling, said) in [
            ("UPDATE cron.job SET schedule = '1 1 * * *' WHERE jobname ~ 'c$'", "somebody has changed its schedule"),
            ("UPDATE cron.job SET command = 'SELECT 1' WHERE jobname ~ 'c$'", "somebody has changed its command"),
            ("UPDATE cron.job SET active = false WHERE jobname ~ 'lone$'", "somebody has switched it off"),
            ("SELECT cron.unschedule('refresh:public.late')", "somebody has unscheduled it"),
            (
                "CREATE OR REPLACE PROCEDURE reconcile.\"refresh:public.c\"() LANGUAGE sql AS 'SELECT 1'",
                "its procedure is not as it should be",
            ),
            ("DROP PROCEDURE reconcile.\"refresh:public.lone\"()", "its procedure is not as it should be"),
            (
                "DELETE FROM reconcile.resource WHERE address = 'schedule/refresh:public.lone';
                 DROP PROCEDURE reconcile.\"refresh:public.lone\"()",
                "its procedure is not as it should be",
            ),
        ] {
            place.sql(meddling);
            place.expect_planned(said);
            place.apply();
            assert_eq!(place.sql(JOBS), IN_PLACE, "{meddling}");
            assert_eq!(place.sql(ROUTINES), "refresh:public.c refresh:public.late refresh:public.lone");
            place.expect_no_changes();
        }
        // It goes by names: views that are replaced are the same to it.
        place.project.write("schema/tables.yaml", VIEWS.replace("100 / min(id)", "200 / min(id)"));
        let plan = place.run(&["plan"]).expect(0).stdout;
        assert!(plan.contains("-/+ matview/public.c") && !plan.contains("schedule/"), "{plan}");
        place.apply();
        place.expect_no_changes();
        place.sql(CALL);
        assert_eq!(place.sql("SELECT count(*) FROM reconcile.refresh_run WHERE outcome = 'done'"), "3");
    }
}

#[test]
fn jobs_come_and_go_with_their_chains() {
    for place in places(VIEWS) {
        // One that comes before the first gives the chain its name; one that leaves it has a job of its own.
        let more = VIEWS.replace("100 / min(id) AS n FROM t", "100 / min(n) AS n FROM x");
        let more =
            format!("{more}  x: {{ query: SELECT min(id) AS n FROM t, refresh: {{ schedule: \"0 3 * * *\" }} }}\n");
        place.project.write(
            "schema/tables.yaml",
            VIEWS
                .replace("FROM b, with_data: false", "FROM t, with_data: false")
                .replace("n + 1 AS n FROM t", "id AS n FROM t"),
        );
        place.apply();
        place.expect_no_changes();
        let jobs = "SELECT string_agg(jobname, ' ' ORDER BY jobname) FROM cron.job";
        assert_eq!(place.sql(jobs), "refresh:public.a refresh:public.c refresh:public.late refresh:public.lone");
        place.run(&["rollback", "2", "--auto-approve", "--allow", "all"]).expect(0);
        assert_eq!(place.sql(JOBS), IN_PLACE);
        place.project.write("schema/tables.yaml", VIEWS);
        place.expect_no_changes();
        place.sql("DROP MATERIALIZED VIEW late, asked, a, b, c");
        place.project.write("schema/tables.yaml", &more);
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(jobs), "refresh:public.late refresh:public.lone refresh:public.x");
        assert_eq!(place.sql(ROUTINES), "refresh:public.late refresh:public.lone refresh:public.x");
        // Without a schedule there is no job, and no procedure.
        place.project.write(
            "schema/tables.yaml",
            more.replace("refresh: { schedule: \"0 3 * * *\"", "refresh: { concurrently: false")
                .replace("false, concurrently: true", "true"),
        );
        place.apply();
        place.expect_no_changes();
        assert_eq!(
            (place.sql(jobs).as_str(), place.sql(ROUTINES).as_str()),
            ("refresh:public.late", "refresh:public.late")
        );
        place.project.write("reconcile.yaml", PG_CRON.replace("pg_cron", "external"));
        let said = place.apply().stdout;
        assert!(said.contains("no chain of views wants it any more"), "{said}");
        place.expect_no_changes();
        assert_eq!(place.sql(JOBS), "");
        place.project.write("reconcile.yaml", PG_CRON);
        place.apply();
        place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
        let left = "SELECT (SELECT count(*) FROM cron.job), count(*) FROM pg_namespace WHERE nspname = 'reconcile'";
        assert_eq!(place.sql(left), "0|0");
    }
}

#[test]
fn a_plain_view_in_between_makes_a_chain_in_the_first_plan_already() {
    for place in Place::all(TABLE, "tables: {}\n") {
        place.sql("CREATE VIEW plain AS SELECT count(*) AS n FROM t");
        let views = |y: &str, x: &str| {
            let view = |name, from| {
                format!("  {name}: {{ query: SELECT n FROM {from}, refresh: {{ schedule: 0 3 * * * }} }}\n")
            };
            format!("materialized_views:\n{}{}", view("y", y), view("x", x))
        };
        place.project.write("schema/tables.yaml", views("plain", "plain"));
        place.apply();
        let jobs = "SELECT string_agg(jobname, ' ' ORDER BY jobname) FROM cron.job";
        assert_eq!(place.sql(jobs), "refresh:public.x refresh:public.y");
        place.sql("CREATE VIEW between AS SELECT n FROM y");
        place.project.write("schema/tables.yaml", views("plain", "between"));
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(jobs), "refresh:public.y");
        // What somebody does to that view is seen as well.
        place.sql("CREATE OR REPLACE VIEW between AS SELECT n FROM plain");
        place.expect_planned("schedule/refresh:public.x");
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(jobs), "refresh:public.x refresh:public.y");
    }
}

#[test]
fn chains_of_long_names_have_jobs_and_procedures_of_their_own() {
    let views = ["one", "two"].map(|end| format!("v{}_{end}", "é".repeat(28)));
    let view =
        |name| format!("  {name}: {{ query: SELECT count(*) AS n FROM t, refresh: {{ schedule: \"0 3 * * *\" }} }}\n");
    let made = "SELECT (SELECT count(DISTINCT jobname) FROM cron.job), count(*), max(octet_length(proname)) \
        FROM pg_proc WHERE proname ~ '^refresh:'";
    for place in places(&format!("materialized_views:\n{}", views.each_ref().map(view).concat())) {
        assert_eq!(place.sql(made), "2|2|63");
        // What an earlier version left: the job and the procedure of the second view, under the name that was cut.
        let [_, name] = &views;
        place.sql(&format!(
            "DO $$ BEGIN EXECUTE format('ALTER PROCEDURE reconcile.%I RENAME TO \"refresh:public.{name}\"', (SELECT \
             proname FROM pg_proc WHERE proname LIKE 'refresh:%' AND prosrc LIKE '%{name}%')); END $$;
             UPDATE cron.job SET jobname = 'refresh:public.{name}'::name WHERE jobid = (SELECT max(jobid) FROM cron.job)"
        ));
        place.expect_planned("its name was too long");
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(made), "2|2|63");
        place.sql("SELECT cron.schedule(jobname, '* * * * *', command) FROM cron.job");
        let done = "SELECT count(DISTINCT view_name) FROM reconcile.refresh_run WHERE outcome = 'done'";
        place.wait_until("a view is not refreshed", done, "2");
        place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
        assert_eq!(place.sql(made), "0|0|");
    }
}

#[test]
fn a_procedure_refreshes_its_chain_in_order() {
    for place in places(VIEWS) {
        place.sql("DELETE FROM t WHERE id < 50");
        place.sql(CALL);
        let expected = "public.c|REFRESH|1|done\npublic.b|REFRESH CONCURRENTLY|1|done\npublic.a|REFRESH|1|done";
        assert_eq!(place.sql(RECORDS), expected);
        assert_eq!(place.sql("SELECT n FROM a"), "4");
        let after = "SELECT bool_and(started_at > before) FROM (SELECT started_at, lag(started_at \
            + execution_time_ms * interval '0.5 ms') OVER (ORDER BY id) AS before FROM reconcile.refresh_run) r";
        assert_eq!(place.sql(after), "t");
        // What fails keeps those that read it from being refreshed from what is old.
        place.sql("INSERT INTO t (id, a) VALUES (0, 1)");
        let error = place.server.psql(NAME, CALL).unwrap_err().to_string();
        assert!(error.contains("public.c was not refreshed: division by zero"), "{error}");
        let held = "public.c|failed|division by zero\n\
            public.b|skipped|not begun: public.c, which it reads, was not refreshed\n\
            public.a|skipped|not begun: public.b, which it reads, was not refreshed";
        assert_eq!(place.sql(REASONS), held);
        place.sql("CALL reconcile.\"refresh:public.lone\"()");
        assert_eq!(place.sql(REASONS), "public.lone|done|");
        // What nobody manages any more, or is to be refreshed otherwise, is left alone; others go on.
        place.sql("DELETE FROM t WHERE id = 0");
        place.run(&["forget", "matview/public.c"]).expect(0);
        place.sql(
            "UPDATE reconcile.resource SET declaration = jsonb_set(declaration, '{refresh,timeout_ms}', '1') \
             WHERE address = 'matview/public.b'",
        );
        place.sql(CALL);
        let text = "it is no longer applied as it was when this was made of it; reconcile plan shows what to do";
        assert_eq!(place.sql(REASONS), format!("public.c|skipped|{text}\npublic.b|skipped|{text}\npublic.a|done|"));
        place.sql("DROP MATERIALIZED VIEW lone");
        let error = place.server.psql(NAME, "CALL reconcile.\"refresh:public.lone\"()").unwrap_err().to_string();
        assert!(error.contains("there is no such materialized view any more"), "{error}");
        assert_eq!(place.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
    }
}

#[test]
fn an_overlap_in_the_database_is_recorded_as_skipped() {
    for place in places(VIEWS) {
        let held =
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'b'::regclass";
        let ours = format!(
            "SELECT pg_advisory_lock({}, 'lone'::regclass::oid::int), pg_sleep(4)",
            reconcile_core::postgres::lock::RUN_LOCK
        );
        std::thread::scope(|scope| {
            // By a statement of somebody's, and by a run of ours.
            scope.spawn(|| {
                place.server.psql(NAME, "BEGIN; ALTER MATERIALIZED VIEW b RENAME n TO m; SELECT pg_sleep(4); ROLLBACK")
            });
            scope.spawn(|| place.server.psql(NAME, &ours));
            place.wait_until("nobody holds the view", held, "1");
            place.wait_until("nobody holds the lock", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "1");
            place.sql(CALL);
            let records = place.sql(REASONS);
            assert!(
                records.starts_with(
                    "public.c|done|\npublic.b|skipped|it is being refreshed or changed already, by process"
                ),
                "{records}"
            );
            assert!(
                records.ends_with("public.a|skipped|not begun: public.b, which it reads, was not refreshed"),
                "{records}"
            );
            place.sql("CALL reconcile.\"refresh:public.lone\"()");
            let expected = "public.lone|skipped|it is being refreshed or changed already, by another run";
            assert_eq!(place.sql(REASONS), expected);
        });
        place.sql(CALL);
        assert_eq!(place.sql(REASONS), "public.c|done|\npublic.b|done|\npublic.a|done|");
    }
}

#[test]
fn a_procedure_that_is_killed_is_told_of_and_the_next_one_goes_on() {
    for place in places(&VIEWS.replace("100 / min(id) AS n FROM t", "100 / min(id) AS n FROM t CROSS JOIN pg_sleep(2)"))
    {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| place.server.psql(NAME, CALL));
            let begun = "SELECT count(*) FROM reconcile.refresh_run WHERE outcome = 'running'";
            place.wait_until("it does not begin", begun, "1");
            place.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'CALL%'");
            assert!(call.join().unwrap().is_err());
        });
        place.sql(CALL);
        let all = "SELECT string_agg(view_name || ' ' || outcome, ', ' ORDER BY id) FROM reconcile.refresh_run";
        assert_eq!(place.sql(all), "public.c stopped, public.c done, public.b done, public.a done");
    }
}

/// What chains share works on versions that no `pg_cron` is here for, too: in the order of the catalogs, through plain
/// views and with any names.
#[test]
fn every_version_refreshes_by_the_shared_procedure() {
    for version in versions() {
        let first = "materialized_views:\n  'public.\"b.%s\"': { query: SELECT count(*) AS n FROM t }\n";
        let place = super::Place::new(version, first);
        place.database.sql("CREATE VIEW plain AS SELECT n FROM \"b.%s\"");
        let others = "  Zähl'ung: { query: SELECT n FROM plain }\n  a: { query: 'SELECT n FROM \"Zähl''ung\"', with_data: false }\n";
        place.project.write("schema/tables.yaml", format!("{first}{others}"));
        place.project.apply(&place.database);
        place.database.sql("INSERT INTO t (a) VALUES (0)");
        place.database.sql(
            "CALL reconcile.refresh_views(ARRAY['public.a', 'public.Zähl''ung', 'public.\"b.%s\"'], \
             ARRAY['a', '\"Zähl''ung\"', '\"b.%s\"'], NULL, 'public', '1s', 2, NULL, NULL)",
        );
        let expected = "public.\"b.%s\"|REFRESH|1|done\npublic.Zähl'ung|REFRESH|1|done\npublic.a|REFRESH|1|done";
        assert_eq!(place.records(), expected);
        assert_eq!(place.database.sql("SELECT n FROM a"), "101");
    }
}

#[test]
fn pg_cron_refreshes_a_chain() {
    for place in places(&VIEWS.replace("0 3 * * *", "* * * * *")) {
        let done = "SELECT string_agg(view_name, ' ' ORDER BY id) FROM (SELECT * FROM reconcile.refresh_run \
            WHERE view_name <> 'public.lone' AND outcome = 'done' ORDER BY id LIMIT 3) r";
        place.wait_until("the chain is not refreshed", done, "public.c public.b public.a");
        let lone =
            "SELECT count(*) > 0 FROM reconcile.refresh_run WHERE view_name = 'public.lone' AND outcome = 'done'";
        place.wait_until("the lone one is not refreshed", lone, "t");
        place.wait_until("a job fails", "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'", "0");
    }
}

#[test]
fn without_the_extension_a_plan_says_where() {
    for place in Place::all(TABLE, VIEWS) {
        place.sql("DROP EXTENSION pg_cron");
        let run = place.run(&["plan"]).expect(1);
        assert!(run.stderr.contains("schema/tables.yaml:3:") && run.stderr.contains("scheduler: external"), "{run}");
        place.project.write("reconcile.yaml", PG_CRON.replace("pg_cron", "external"));
        let plan = place.run(&["plan"]).expect(0).stdout;
        let note = "nothing in the database refreshes it at `0 3 * * *`: have `reconcile maintain` called";
        assert!(plan.contains(note), "{plan}");
        place.apply();
        place.expect_no_changes();
        assert_eq!(place.sql(ROUTINES), "");
    }
}
