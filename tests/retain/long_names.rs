//! Rules on tables whose names are too long for the names of routines and jobs that are made of them.

use crate::common::{Database, Project, cron::Place as CronPlace, versions};

/// A table for each. What is made of their names is alike for more than 63 bytes, and a character of two bytes lies at
/// the end of those.
fn tables() -> [String; 2] {
    ["one", "two"].map(|end| format!("a{}_{end}", "é".repeat(28)))
}

/// The first table has 10 rows past their time, the second one 20.
fn rows() -> String {
    let table = |(position, name): (usize, &String)| {
        let rows = 10 * (position + 1);
        format!(
            "CREATE TABLE \"{name}\" (at timestamptz NOT NULL); \
             INSERT INTO \"{name}\" SELECT now() - interval '90 days' FROM generate_series(1, {rows}); "
        )
    };
    tables().iter().enumerate().map(table).collect()
}

fn rules(more: &str) -> String {
    let rule = |name: &String| format!("  {name}: {{ column: at, retain_for: 30 days{more} }}\n");
    format!("retention:\n{}", tables().iter().map(rule).collect::<String>())
}

/// The names in the database of what was made for the rules: as many as there are, each within its limit.
const MADE: &str = "SELECT count(*), count(DISTINCT proname), max(octet_length(proname)) FROM pg_proc \
    WHERE proname ~ '^(preview|retain):'";

const COUNTS: &str = "SELECT right(table_name, 3), rows_affected FROM reconcile.retention_preview() ORDER BY 2";

/// Gives a routine the name that an earlier version gave it: what the server keeps of one that is too long.
fn as_before(routine: &str, task: &str) -> String {
    let [table, _] = tables();
    format!(
        "DO $$ BEGIN EXECUTE format('ALTER {routine} reconcile.%I RENAME TO \"{task}:public.{table}\"', (SELECT proname \
         FROM pg_proc WHERE proname LIKE '{task}:%' AND prosrc LIKE '%retention/public.{table}''%')); END $$"
    )
}

#[test]
fn each_rule_has_a_routine_of_its_own() {
    for version in versions() {
        let (database, project) = (Database::new(version), Project::with(rules("")));
        database.sql(&rows());
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!(database.sql(MADE), "2|2|63");
        assert_eq!(database.sql(COUNTS), "one|10\ntwo|20");
        // What an earlier version left goes, and nothing is counted twice.
        database.sql(&as_before("FUNCTION", "preview"));
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!((database.sql(MADE).as_str(), database.sql(COUNTS).as_str()), ("2|2|63", "one|10\ntwo|20"));
        database.sql(&as_before("FUNCTION", "preview"));
        project.write("schema/tables.yaml", "tables: {}\n");
        project.apply(&database);
        assert_eq!(database.sql(MADE), "0|0|");
    }
}

#[test]
fn each_rule_has_jobs_of_its_own() {
    for place in CronPlace::all(&rows(), &rules(", schedule: \"0 2 * * *\"")) {
        let jobs =
            "SELECT count(DISTINCT jobname), count(DISTINCT command), max(octet_length(jobname::text)) FROM cron.job";
        place.apply();
        place.expect_no_changes();
        assert_eq!((place.sql(jobs).as_str(), place.sql(MADE).as_str()), ("4|4|62", "4|4|63"));
        // What an earlier version left: the procedure and the job under the name that the server keeps.
        let [table, _] = tables();
        place.sql(&as_before("PROCEDURE", "retain"));
        place.sql(&format!(
            "UPDATE cron.job SET jobname = 'retain:public.{table}'::name, command = 'CALL reconcile.\"' || \
             'retain:public.{table}'::name || '\"()' WHERE jobid = (SELECT min(jobid) FROM cron.job WHERE jobname ~ '^retain')"
        ));
        assert_eq!(place.sql(jobs), "4|4|63");
        place.apply();
        place.expect_no_changes();
        assert_eq!((place.sql(jobs).as_str(), place.sql(MADE).as_str()), ("4|4|62", "4|4|63"));
        place.project.write("schema/tables.yaml", "tables: {}\n");
        place.apply();
        assert_eq!((place.sql(jobs).as_str(), place.sql(MADE).as_str()), ("0|0|", "0|0|"));
    }
}
