//! Materialized views in the history: taken back, forgotten, destroyed, planned by roles that may little, and saved plans
//! of them.

use super::place::Place;
use crate::common::{newest, versions};

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
