//! What comes along, and what it is afterwards.

use std::process::Command;

use super::{Place, daily};
use crate::common::{newest, versions};

/// Everything that a view can be to others: of another owner, in another schema, with rights, comments, options, defaults,
/// triggers and rules; over it a materialized view that nobody declares, and again a view over that.
const DEPENDENTS: &str = r#"
    ALTER MATERIALIZED VIEW team.daily OWNER TO team;
    ALTER MATERIALIZED VIEW team.daily ALTER COLUMN note SET STORAGE EXTERNAL, ALTER COLUMN total SET STATISTICS 300;
    ALTER MATERIALIZED VIEW team.daily CLUSTER ON daily_key;
    GRANT SELECT ON team.daily TO others WITH GRANT OPTION;
    CREATE STATISTICS team.together (ndistinct, mcv) ON day, platform FROM team.daily;
    CREATE STATISTICS "Other Team".one ON (lower(note)) FROM team.daily;
    ALTER STATISTICS team.together SET STATISTICS 700; COMMENT ON STATISTICS team.together IS 'what goes together';
    SET ROLE others;
    CREATE VIEW "Other Team"."Re""port" WITH (security_barrier) AS
      SELECT d.day, upper(d.platform) AS "Pl.atform", d.total, (SELECT count(daily) FROM team.daily) AS n FROM team.daily d, team.daily WHERE daily.day = d.day;
    COMMENT ON VIEW "Other Team"."Re""port" IS 'ours'; COMMENT ON COLUMN "Other Team"."Re""port".total IS 'in euros';
    GRANT SELECT ON "Other Team"."Re""port" TO dashboard WITH GRANT OPTION; GRANT SELECT (day) ON "Other Team"."Re""port" TO PUBLIC;
    CREATE VIEW "Other Team".above AS SELECT count(*) AS n FROM "Other Team"."Re""port";
    CREATE VIEW "Other Team".written AS SELECT day, total FROM team.daily WHERE total > 5 AND platform <> 'p0';
    ALTER VIEW "Other Team".written ALTER COLUMN total SET DEFAULT 7;
    CREATE FUNCTION "Other Team".nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER instead INSTEAD OF INSERT ON "Other Team".written FOR EACH ROW EXECUTE FUNCTION "Other Team".nothing();
    CREATE RULE never AS ON DELETE TO "Other Team".written DO INSTEAD NOTHING;
    CREATE MATERIALIZED VIEW "Other Team".monthly WITH (fillfactor = 60) AS
      WITH daily AS (SELECT date_trunc('month', day) AS month, total FROM team.daily)
      SELECT month, sum(total) AS total, count(*) FILTER (WHERE total IN (SELECT total FROM team.daily)) AS n FROM daily GROUP BY month;
    CREATE UNIQUE INDEX "monthly key" ON "Other Team".monthly (month); COMMENT ON INDEX "Other Team"."monthly key" IS 'one a month';
    CREATE INDEX monthly_expression ON "Other Team".monthly ((total * 2)) WHERE n > 0;
    ALTER MATERIALIZED VIEW "Other Team".monthly CLUSTER ON "monthly key";
    COMMENT ON MATERIALIZED VIEW "Other Team".monthly IS 'by month';
    GRANT SELECT ON "Other Team".monthly TO dashboard;
    CREATE VIEW "Other Team".last_month AS SELECT * FROM "Other Team".monthly ORDER BY month DESC LIMIT 1;
    CREATE MATERIALIZED VIEW "Other Team".empty AS SELECT total FROM "Other Team".monthly WITH NO DATA;
    CREATE RECURSIVE VIEW "Other Team".steps (total) AS SELECT max(total) FROM team.daily UNION ALL SELECT total - 100 FROM steps WHERE total > 0;
    RESET ROLE;
"#;

const ANSWERS: &str = r#"
    GRANT USAGE ON SCHEMA "Other Team" TO dashboard;
    SET ROLE dashboard;
    SELECT count(*), sum(total), max("Pl.atform") FROM "Other Team"."Re""port";
    SELECT month, total, n FROM "Other Team".monthly;
    RESET ROLE;
    SELECT * FROM "Other Team".above; SELECT * FROM "Other Team".last_month; SELECT count(*) FROM "Other Team".steps;
"#;

#[test]
fn what_depends_on_a_replaced_view_goes_on_as_it_was() {
    for version in versions() {
        let place = Place::new(version, &daily(""));
        place.database.sql(DEPENDENTS);
        let (before, answers) = (place.relations(&["daily"]), place.database.sql(ANSWERS));
        let dump = dump(&place);
        place.declare(&daily(", count(*) AS new"));
        place
            .run(&["apply", "--auto-approve", "--allow", "access_exclusive_lock,dependent_rebuilt"])
            .expect_said(4, "not allowed: external_reader");
        assert_eq!(before, place.relations(&["daily"]));
        place.project.apply(&place.database);
        assert_eq!(before, place.relations(&["daily"]), "on {}", version.major());
        assert_eq!(answers, place.database.sql(ANSWERS), "on {}", version.major());
        assert_eq!(place.database.sql("SELECT sum(new) FROM team.daily"), "300");
        place.project.expect_no_changes(&place.database);
        if let Some(dump) = dump {
            let after = self::dump(&place).unwrap();
            assert_eq!(lines_without(&after, &dump), ["    max(sale.note) AS note,", "    count(*) AS new"]);
            assert_eq!(lines_without(&dump, &after), ["    max(sale.note) AS note"]);
        }
        // Back again: with a column less at its end, whoever reads it still finds all that he names.
        let run = place.database.sql("SELECT max(id) FROM reconcile.run");
        place.run(&["rollback", &run, "--auto-approve", "--allow", "all"]).expect(0);
        assert_eq!(before, place.relations(&["daily"]), "taken back on {}", version.major());
        assert!(place.database.try_sql("SELECT new FROM team.daily").is_err());
    }
}

/// The definitions without rows; `None` where no `pg_dump` knows this version.
fn dump(place: &Place) -> Option<String> {
    let program = place.database.version.installation().program("pg_dump")?;
    let args = ["--schema-only", "--exclude-schema=reconcile", "-d"];
    let output = Command::new(program).args(args).arg(place.database.url()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("server version mismatch") {
        eprintln!("skipped: no pg_dump for PostgreSQL {}", place.database.version.major());
        return None;
    }
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The lines of one dump that are not in another; each has a secret of its own to begin and end with.
fn lines_without<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let is_common = |line: &&str| other.lines().any(|known| known == *line) || line.contains("restrict ");
    one.lines().filter(|line| !is_common(line)).collect()
}

#[test]
fn declared_views_over_each_other_change_together() {
    let before = daily("")
        + "  team.weekly: { query: \"SELECT date_trunc('week', day) AS week, sum(total) AS total FROM team.daily GROUP BY 1\" }\n\
           \x20 team.best: { query: SELECT max(total) AS total FROM team.weekly, indexes: { best_i: [total] } }\n\
           \x20 team.gone: { query: SELECT total FROM team.weekly }\n";
    let after = daily(", count(*) AS new")
        + "  team.weekly: { query: \"SELECT date_trunc('week', day) AS week, sum(total) AS total, sum(new) AS new_n FROM team.daily GROUP BY 1\" }\n\
           \x20 team.best: { query: SELECT max(total) AS total FROM team.weekly, indexes: { best_i: [total], best_j: [\"total desc\"] }, comment: best }\n\
           \x20 team.fresh: { query: \"SELECT week, new_n, sum(new) AS new FROM team.weekly, team.daily GROUP BY 1, 2\", indexes: { fresh_i: [week] } }\n";
    for version in [&versions()[0], newest()] {
        let place = Place::new(version, &before);
        place.database.sql("CREATE VIEW over AS SELECT w.total, b.total AS best FROM team.weekly w, team.best b");
        place.declare(&after);
        let plan = place.run(&["plan", "--detailed-exitcode"]).expect(2);
        let summary = "Plan: 1 to create, 1 to update, 2 to replace, 1 to drop.\n";
        assert!(plan.stdout.ends_with(summary), "{plan}");
        let apply = place.project.apply(&place.database);
        assert!(apply.stdout.contains("takes its place together with matview/team.daily"), "{apply}");
        place.project.expect_no_changes(&place.database);
        assert_eq!(place.database.sql("SELECT sum(new_n), count(DISTINCT new) FROM team.fresh"), "300|1");
        assert_eq!(place.database.sql("SELECT count(*) > 0 FROM over"), "t");
        let run = place.database.sql("SELECT max(id) FROM reconcile.run");
        place.run(&["rollback", &run, "--auto-approve", "--allow", "all"]).expect(0);
        place.declare(&before);
        place.project.expect_no_changes(&place.database);
    }
}
