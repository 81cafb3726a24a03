//! Materialized views in the history: taken back, forgotten, destroyed, planned by roles that may little, and saved plans
//! of them.

use super::place::Place;
use crate::common::{Project, newest, versions};

const VIEW: &str = "materialized_views:
  v:
    query: SELECT c, count(*) AS n FROM t WHERE b IN ('text 1', 'text 2') GROUP BY c
    comment: counts
    with: { fillfactor: 70 }
    indexes:
      v_key: { columns: [c], unique: true }
      v_n: { columns: [{ expression: n + 1 }], where: n > 0, comment: more }
";

fn place(version: &'static crate::common::Version) -> Place {
    let place = Place::new(version);
    place.apply("");
    place
}

fn declare(place: &Place, views: &str) {
    place.project.write("schema/views.yaml", views);
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
}

#[test]
fn every_change_of_a_view_can_be_taken_back() {
    for version in [&versions()[0], newest()] {
        let place = place(version);
        let changes = [
            ("made", VIEW.to_owned()),
            ("altered", VIEW.replace("counts", "how many").replace("70", "80")),
            (
                "replaced",
                VIEW.replace("AS n FROM", "AS n, max(b) AS last FROM").replace("      v_n:", "      v_other:"),
            ),
            ("dropped", "tables: {}\n".to_owned()),
        ];
        for (what, views) in &changes {
            let before = (place.database.indexes(), place.managed());
            declare(&place, views);
            let after = (place.database.indexes(), place.managed());
            assert_ne!(before, after, "{what}");
            place.rollback(place.latest()).expect(0);
            assert_eq!(before, (place.database.indexes(), place.managed()), "{what} on {}", version.major());
            place.project.apply(&place.database);
            assert_eq!(after, (place.database.indexes(), place.managed()), "{what} again on {}", version.major());
            place.project.expect_no_changes(&place.database);
        }
    }
}

#[test]
fn a_view_is_forgotten_and_stays_or_destroyed_and_goes() {
    let place = place(newest());
    declare(&place, VIEW);
    let before = place.database.indexes();
    place.run(&["forget", "matview/public.v"]).expect(0);
    assert_eq!(before, place.database.indexes());
    assert!(!place.managed().contains("matview/"), "{}", place.managed());
    place.project.apply(&place.database);
    assert!(place.managed().contains("matview/public.v"), "{}", place.managed());
    place.database.sql("CREATE VIEW theirs AS SELECT * FROM v");
    place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect_said(4, "and view public.theirs needs it");
    assert_eq!(before, place.database.indexes());
    place.database.sql("DROP VIEW theirs");
    place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert_eq!(place.database.sql("SELECT count(*) FROM pg_matviews"), "0");
    assert_eq!(place.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
}

#[test]
fn a_role_that_may_make_nothing_plans_what_is_recorded_and_says_where_it_cannot_tell() {
    let place = place(newest());
    declare(&place, VIEW);
    let name = &place.database.name;
    place.database.sql(&format!(
        "DO $$ BEGIN CREATE ROLE forms LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; \
         REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO forms"
    ));
    let plan = || place.project.run_at(&place.database.url_as("forms"), &["plan", "--detailed-exitcode"]);
    plan().expect(0);
    place.project.write("schema/views.yaml", VIEW.replace("count(*)", "count(1)"));
    plan().expect_said(1, "this role cannot tell whether the view is as declared");
    let another = "  w: { query: SELECT c FROM t }\n";
    place.project.write("schema/views.yaml", format!("{VIEW}{another}"));
    let run = plan().expect(2);
    assert!(run.stdout.contains("+ matview/public.w"), "{run}");
}

#[test]
fn a_saved_plan_of_a_view_is_stale_once_something_depends_on_it() {
    let place = place(newest());
    declare(&place, VIEW);
    place.project.write("schema/views.yaml", VIEW.replace("count(*)", "count(*) + 1"));
    place.run(&["plan", "--out", "saved.json"]).expect(0);
    place.database.sql("CREATE INDEX theirs ON v (n)");
    let before = place.state();
    place.run(&["apply", "saved.json", "--auto-approve", "--allow", "all"]).expect(3);
    assert_eq!(before, place.state());
    place.run(&["plan", "--out", "saved.json"]).expect(0);
    place.run(&["apply", "saved.json", "--auto-approve", "--allow", "all"]).expect(0);
    assert!(place.database.indexes().contains("public.theirs"), "somebody's index is gone");
    place.project.expect_no_changes(&place.database);
}

#[test]
fn only_what_is_asked_for_is_planned() {
    let place = place(newest());
    let both = format!("{VIEW}  w: {{ query: SELECT c FROM v, indexes: {{ w_c: [c] }} }}\n");
    place.project.write("schema/views.yaml", both);
    place.run(&["apply", "--auto-approve", "--only", "matview/public.v"]).expect(0);
    assert_eq!(place.database.sql("SELECT matviewname FROM pg_matviews"), "v");
    place.run(&["apply", "--auto-approve", "--exclude", "matview/public.w"]).expect(0);
    assert_eq!(place.database.sql("SELECT matviewname FROM pg_matviews"), "v");
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
    assert_eq!(place.database.sql("SELECT count(*) FROM reconcile.resource"), "6");
}

/// Rights that somebody gave by hand, of each kind.
const BY_HAND: &str = r#"
DO $$ BEGIN CREATE ROLE "Runs Reader"; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
DO $$ BEGIN CREATE ROLE runs_other; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
GRANT SELECT, UPDATE ON v TO "Runs Reader"; GRANT DELETE ON v TO "Runs Reader" WITH GRANT OPTION;
GRANT SELECT ON v TO runs_other WITH GRANT OPTION; GRANT TRIGGER ON v TO PUBLIC;
GRANT UPDATE (c) ON v TO runs_other; GRANT UPDATE (n) ON v TO "Runs Reader";
"#;

#[test]
fn the_rights_on_a_view_are_what_is_declared_and_can_be_taken_back() {
    for version in [&versions()[0], newest()] {
        let place = place(version);
        let with =
            |grants: &str| VIEW.replace("    comment: counts\n", &format!("    comment: counts\n    {grants}\n"));
        declare(&place, VIEW);
        place.database.sql(BY_HAND);
        place.project.expect_no_changes(&place.database);
        let given = with("grants: { 'Runs Reader': [select, truncate], runs_other: ALL, PUBLIC: [] }");
        let changes = [
            ("changed", given.clone()),
            ("none", with("grants: {}")),
            ("replaced", given.replace("AS n FROM", "AS n, max(b) AS last FROM")),
            ("dropped", "tables: {}\n".to_owned()),
        ];
        // The rights on columns of a view that was dropped do not come back.
        place.database.sql("REVOKE UPDATE (c) ON v FROM runs_other; REVOKE UPDATE (n) ON v FROM \"Runs Reader\"");
        for (what, views) in &changes {
            let before = place.database.indexes();
            declare(&place, views);
            place.run(&["plan", "-v"]).expect_said(0, "3 round trips");
            let after = place.database.indexes();
            assert_ne!(before, after, "{what}");
            place.rollback(place.latest()).expect(0);
            assert_eq!(before, place.database.indexes(), "{what} on {}", version.major());
            place.project.apply(&place.database);
            assert_eq!(after, place.database.indexes(), "{what} again on {}", version.major());
            place.project.expect_no_changes(&place.database);
        }
    }
}

#[test]
fn a_run_that_declares_no_rights_leaves_them_alone_when_it_is_taken_back() {
    let place = place(newest());
    declare(&place, VIEW);
    declare(&place, &VIEW.replace("counts", "how many"));
    place.database.sql(BY_HAND);
    let grants = "SELECT relacl FROM pg_class WHERE relname = 'v'";
    let before = place.database.sql(grants);
    place.rollback(place.latest()).expect(0);
    assert_eq!(before, place.database.sql(grants));
    assert!(place.database.indexes().contains("comments 0:counts"));
}

#[test]
fn a_saved_plan_of_rights_is_stale_once_somebody_gives_some() {
    let place = place(newest());
    declare(&place, VIEW);
    place.database.sql(BY_HAND);
    let grants = "    grants: { runs_other: [select, update] }\n    with: {";
    place.project.write("schema/views.yaml", VIEW.replace("    with: {", grants));
    let plan = place.run(&["plan", "--json", "--out", "saved.json"]).expect(0).json();
    let steps = plan["changes"][0]["steps"].as_array().unwrap();
    // Of one right, it is the option alone that goes.
    let statements: Vec<_> = steps.iter().map(|step| step["sql"].as_str().unwrap()).collect();
    let expected = [
        "REVOKE TRIGGER ON public.v FROM PUBLIC",
        "REVOKE SELECT, UPDATE ON public.v FROM \"Runs Reader\"",
        "GRANT UPDATE (n) ON public.v TO \"Runs Reader\"",
        "REVOKE DELETE ON public.v FROM \"Runs Reader\"",
        "REVOKE GRANT OPTION FOR SELECT ON public.v FROM runs_other",
        "GRANT UPDATE ON public.v TO runs_other",
    ];
    assert_eq!(statements, expected);
    let together = |step: &serde_json::Value| step["transaction"] == 1 && step["lock"].is_null();
    assert!(steps.iter().all(together), "{plan:#}");
    assert_eq!(steps[3]["undo"], "GRANT DELETE ON public.v TO \"Runs Reader\" WITH GRANT OPTION");
    place.database.sql("GRANT INSERT ON v TO runs_other");
    let before = place.state();
    place.run(&["apply", "saved.json", "--auto-approve"]).expect(3);
    assert_eq!(before, place.state());
    place.run(&["apply", "--auto-approve"]).expect(0);
    let after = place.database.indexes();
    assert!(
        after.contains("grants Runs Reader:UPDATE(n) runs_other:SELECT runs_other:UPDATE runs_other:UPDATE(c)"),
        "{after}"
    );
}

/// What the owner cannot take is said, with the statement that does it.
#[test]
fn rights_that_were_handed_on_are_taken_as_the_hint_says() {
    for version in [&versions()[0], newest()] {
        let place = place(version);
        declare(&place, VIEW);
        place.database.sql(BY_HAND);
        place.database.sql(
            "SET ROLE runs_other; GRANT SELECT ON v TO \"Runs Reader\"; RESET ROLE; \
             GRANT REFERENCES (c) ON v TO runs_other WITH GRANT OPTION; GRANT REFERENCES ON v TO runs_other; \
             SET ROLE runs_other; GRANT REFERENCES (c) ON v TO PUBLIC",
        );
        place.project.write("schema/views.yaml", VIEW.replace("    with: {", "    grants: {}\n    with: {"));
        let before = place.database.indexes();
        for _ in 0..3 {
            let run = place.run(&["plan"]).expect(1);
            let Some((_, hint)) = run.stderr.split_once("run as `runs_other`: ") else { panic!("{run}") };
            place.database.sql(&format!("SET ROLE runs_other; {}", hint.lines().next().unwrap()));
            if place.run(&["plan"]).code == 0 {
                break;
            }
        }
        assert_ne!(before, place.database.indexes());
        place.project.apply(&place.database);
        place.project.expect_no_changes(&place.database);
        assert!(!place.database.indexes().contains(":SELECT"), "{}", place.database.indexes());
    }
}

/// What the schema grants by default is that of the role which makes the view; others' say nothing about it.
#[test]
fn a_role_that_is_no_superuser_gives_the_rights_on_what_it_makes() {
    let place = Place::new(newest());
    let name = &place.database.name;
    place.database.sql(&format!(
        "DO $$ BEGIN CREATE ROLE runs_maker LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; \
         DO $$ BEGIN CREATE ROLE runs_other; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; \
         DO $$ BEGIN CREATE ROLE runs_third; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; \
         GRANT CREATE ON DATABASE {name} TO runs_maker; GRANT CREATE ON SCHEMA public TO runs_maker; \
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO runs_maker; \
         ALTER DEFAULT PRIVILEGES FOR ROLE runs_maker IN SCHEMA public GRANT SELECT, UPDATE ON TABLES TO runs_other; \
         ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO runs_maker, runs_third;"
    ));
    let url = place.database.url_as("runs_maker");
    let run = |args: &[&str]| place.project.run_at(&url, args);
    for grants in ["{ runs_other: select }", "{ runs_third: [select, delete] }", "{}"] {
        place
            .project
            .write("schema/views.yaml", VIEW.replace("    with: {", &format!("    grants: {grants}\n    with: {{")));
        run(&["apply", "--auto-approve"]).expect(0);
        run(&["plan", "--detailed-exitcode"]).expect(0);
        place.project.expect_no_changes(&place.database);
    }
    assert_eq!(
        place.database.sql("SELECT relacl FROM pg_class WHERE relname = 'v'"),
        "{runs_maker=arwdDxtm/runs_maker}"
    );
}

/// A role that has everything it needs of this database, but the right to make temporary relations.
fn without_temporary(place: &Place, role: &str) -> String {
    let name = &place.database.name;
    place.database.sql(&format!(
        "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; \
         REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; GRANT ALL ON DATABASE {name} TO {role}; \
         REVOKE TEMPORARY ON DATABASE {name} FROM {role}; GRANT ALL ON SCHEMA public TO {role}; \
         ALTER TABLE t OWNER TO {role}; ALTER TABLE u OWNER TO {role}"
    ));
    place.database.url_as(role)
}

#[test]
fn a_role_without_temporary_tables_knows_what_it_has_applied() {
    const OF_IT: &str = "materialized_views:
  v:
    query: SELECT c, count(*) AS n, $$ü\t\\\"$$ AS \"It's\" FROM t WHERE b IN ('text 1', 'text 2') GROUP BY c
    indexes: { v_key: { columns: [c], unique: true } }
";
    for version in versions() {
        let place = Place::new(version);
        place.declare("");
        let url = without_temporary(&place, "untemporary");
        let run = |args: &[&str]| place.project.run_at(&url, args);
        let apply = ["apply", "--auto-approve", "--allow", "all"];
        place.project.write("schema/views.yaml", OF_IT);
        run(&apply).expect(0);
        run(&["plan", "--detailed-exitcode"]).expect(0);
        // The server's own print needs no temporary view either, whoever reads it.
        place.run(&["plan", "--detailed-exitcode"]).expect(0);

        let commented = OF_IT.replace("    indexes:", "    comment: more\n    indexes:");
        place.project.write("schema/views.yaml", &commented);
        assert!(run(&["plan", "--detailed-exitcode"]).expect(2).stdout.contains("~ matview/public.v"));
        run(&apply).expect(0);
        run(&["plan", "--detailed-exitcode"]).expect(0);

        // It cannot tell what a changed table means to the query, and what it notes down does not hide that from others.
        place.database.sql("ALTER TABLE t ADD d integer");
        let unsure = run(&["plan", "--detailed-exitcode"]).expect(0);
        let note = "`public.t` has gained the column `d`: this role cannot tell whether its query still means the same";
        assert!(unsure.stdout.contains(note), "{unsure}");
        run(&apply).expect(0);
        let probes = |run: &dyn Fn()| {
            let logged = place.database.log().len();
            run();
            place.database.log()[logged..].iter().filter(|line| line.contains("CREATE TEMPORARY VIEW")).count()
        };
        let plan_as_owner = || drop(place.run(&["plan", "--detailed-exitcode"]).expect(0));
        assert_ne!(probes(&plan_as_owner), 0, "a view whose table has changed was not compared");
        place.project.apply(&place.database);
        assert_eq!(probes(&plan_as_owner), 0, "a view that has been compared is compared again");

        // Nobody manages it any more: the print is compared, where nothing else has the names in it.
        let imported = Project::new();
        run(&["import", "--all", "--out", &imported.path().display().to_string()]).expect(0);
        run(&["forget", "matview/public.v"]).expect(0);
        let plan = || imported.run_at(&url, &["plan", "--only", "matview/public.v"]);
        assert!(plan().expect(0).stdout.contains("= matview/public.v"), "{}", plan());
        place.database.sql("CREATE FUNCTION public.count() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'");
        plan().expect_said(1, "this role cannot tell");
        place.database.sql("DROP OWNED BY untemporary");
    }
}
