//! Definitions written otherwise than PostgreSQL prints them: one apply makes them, and nothing is left to do, with
//! the registry and without it. The forms are data: `forms.rs` applies them.

use crate::common::{Database, Project, versions};
use crate::forms;

/// Each is a reason why comparing text fails.
const FORMS: usize = 50;

#[test]
fn fifty_forms_converge_in_one_apply() {
    for version in versions() {
        let (applied, project) = (forms::indexes(version), forms::project_of_indexes(version));
        let run = &applied.run;
        assert!(!run.stdout.contains("note:"), "a form is the same as another: {run}");
        let database = applied.copy();
        let made = database.sql("SELECT count(*) FROM pg_indexes WHERE schemaname IN ('public', 'shop', 'Odd.Schema')");
        assert!(made.parse::<usize>().unwrap() >= FORMS, "only {made} forms");
        let before = database.indexes();
        assert!(!before.contains(" INVALID"), "{before}");
        let recorded = database.sql("SELECT count(*) FROM reconcile.resource");
        assert_eq!(made, recorded, "not every index is in the registry");
        project.expect_no_changes(&database);

        // Without the registry, only the server can tell that what is declared is what is live.
        database.sql("DROP SCHEMA reconcile CASCADE");
        let blind = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(0);
        let plan = blind.json();
        assert_eq!(plan["summary"]["adopt"].to_string(), made, "on {}: {}", version.major(), plan["summary"]);
        assert_eq!(plan["notes"].as_array().unwrap().len(), 0, "{}", plan["notes"]);
        plans_no_changes_without_temporary(&database, &project);
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!(before, database.indexes(), "something was built again");
    }
}

/// Neither registry nor temporary tables: the planner has to tell that both mean the same.
fn plans_no_changes_without_temporary(database: &Database, project: &Project) {
    let name = &database.name;
    database.sql(&format!(
        "DO $$ BEGIN CREATE ROLE forms LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; \
         REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; \
         GRANT USAGE ON SCHEMA app, shop, \"Odd.Schema\" TO forms; \
         GRANT SELECT ON ALL TABLES IN SCHEMA public, shop, \"Odd.Schema\" TO forms;"
    ));
    project.run_at(&database.url_as("forms"), &["plan", "--detailed-exitcode"]).expect(0);
}

/// The same definitions, made by the server's own words instead of ours.
#[test]
fn what_pg_get_indexdef_prints_is_adopted() {
    for version in versions() {
        let (database, project) = (forms::indexes(version).copy(), forms::project_of_indexes(version));
        let managed = |column: &str| {
            let of =
                "FROM reconcile.resource r, pg_catalog.format('%I.%I', relation_schema, declaration->>'name') AS name";
            database.sql(&format!("SET search_path = ''; SELECT {column} || ';' {of}"))
        };
        let statements = managed("pg_catalog.pg_get_indexdef(name::pg_catalog.regclass)");
        let drops = managed("'DROP INDEX ' || name");
        database.sql(&format!("{drops}\nDROP SCHEMA reconcile CASCADE;\n{statements}"));
        project.expect_no_changes(&database);
    }
}

/// Queries written otherwise than PostgreSQL prints them; `convergence/views.yaml`.
const QUERIES: usize = 40;

#[test]
fn forty_queries_converge_in_one_apply() {
    for version in versions() {
        let (database, project) = (forms::queries(version).copy(), forms::project_of_queries());
        let made = database.sql("SELECT count(*) FROM pg_matviews");
        assert!(made.parse::<usize>().unwrap() >= QUERIES, "only {made} views");
        let before = database.indexes();
        // What the registry recorded needs no probe, and what the server prints is what was recorded.
        let unasked = project.run(&database, &["plan", "--json", "-v"]).expect(0);
        assert_eq!(unasked.json()["records"].as_array().unwrap().len(), 0, "on {}: {unasked}", version.major());
        project.run(&database, &["plan", "-v"]).expect_said(0, "3 round trips");

        // Without the registry, only the server can tell that what is declared is what is live.
        database.sql("DROP SCHEMA reconcile CASCADE");
        let blind = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(0);
        assert_eq!(blind.json()["summary"]["adopt"].to_string(), made, "on {}: {blind}", version.major());
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!(before, database.indexes(), "something was built again");

        // What the server prints can be read back from a plan, as a rollback does.
        project.write("schema/views.yaml", "tables: {}");
        project.run(&database, &["plan", "--out", "saved.json"]).expect(0);
        project.run(&database, &["show", "saved.json"]).expect(0);
    }
}
