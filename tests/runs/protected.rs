//! What is protected, and what was repaired.

use super::place::{Place, of_t};
use crate::common::{newest, versions};

#[test]
fn what_is_protected_by_now_is_not_taken_back() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    place.declare(&of_t("i: { columns: [a], protect: true }, j: [c]"));
    let run = place.rollback(1).expect(0);
    assert!(run.stdout.contains("index/public.t/i: protected: it stays as it is"), "{run}");
    assert_eq!(place.managed(), "index/public.t/i");
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1"), "i\nt_pkey");
    let again = place.rollback(1).expect(0);
    assert!(again.stdout.contains("protected") && again.stdout.contains("No changes."), "{again}");
    assert_eq!(place.latest(), 2);
}

#[test]
fn a_replacement_is_not_taken_back_where_the_new_one_is_protected() {
    let place = Place::applied(newest(), "i: [a]");
    place.apply(&of_t("i: [c]"));
    place.declare(&of_t("i: { columns: [c], protect: true }"));
    let before = place.state();
    place.rollback(2).expect(0);
    assert_eq!(before, place.state());
}

#[test]
fn a_repair_of_ours_is_not_taken_back() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass");
    place.project.apply(&place.database);
    let before = place.state();
    let run = place.rollback(2).expect(0);
    assert!(run.stdout.contains("index/public.t/i: its repair is not taken back"), "{run}");
    assert_eq!(before, place.state());
}

/// Useless before, and asked for by nobody: what the run built in its place goes.
#[test]
fn what_was_built_in_place_of_another_ones_wreck_goes() {
    let place = Place::applied(newest(), "");
    place
        .database
        .sql("CREATE INDEX i ON t (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass");
    let managed = place.managed();
    place.apply(&of_t("i: [a]"));
    place.rollback(2).expect(0);
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't'"), "t_pkey");
    assert_eq!(managed, place.managed());
}

/// The parts that stood before serve queries: they are not dropped with what the run added.
#[test]
fn what_another_ones_partitioned_index_gained_stays() {
    let place = Place::applied(newest(), "");
    place
        .database
        .sql("CREATE INDEX i ON ONLY p (b); CREATE INDEX part ON p1 (b); ALTER INDEX i ATTACH PARTITION part");
    let managed = place.managed();
    place.apply("  p: { indexes: { i: [b] } }");
    let indexes = place.database.indexes();
    let run = place.rollback(2).expect(0);
    assert!(run.stdout.contains("index/public.p/i: its repair is not taken back"), "{run}");
    assert_eq!((indexes, managed), (place.database.indexes(), place.managed()));
}

/// They go with the index that took them in, so they are built again before it goes.
#[test]
fn parts_that_were_taken_in_come_back() {
    for version in [newest(), &versions()[0]] {
        let place = Place::applied(version, "");
        place.apply("  p: { indexes: { ours: [a, b] } }\n  p1: { indexes: { own: [b, a] } }");
        place.database.sql("CREATE INDEX theirs ON p1 (b)");
        let before = [place.database.indexes(), place.managed()];
        place.apply("  p: { indexes: { ours: [a, b], i: [b], j: [b, a] } }");
        let after = [place.database.indexes(), place.managed()];
        assert!(after[0].contains("public.theirs attached to public.i"), "{}", after[0]);
        assert!(after[0].contains("public.own attached to public.j"), "{}", after[0]);
        place.rollback(3).expect(0);
        assert_eq!(before, [place.database.indexes(), place.managed()]);
        place.rollback(4).expect(0);
        assert_eq!(after, [place.database.indexes(), place.managed()]);
    }
}

/// It stood, and was only cleaned up beside: it is nobody's again, and what was in its way does not come back.
#[test]
fn another_ones_index_that_was_tidied_up_beside_is_let_go() {
    let place = Place::applied(newest(), "");
    place.database.sql("CREATE INDEX i ON t (a)");
    let before = [place.database.indexes(), place.managed()];
    // The name that a replacement would be built under.
    place.declare(&of_t("i: [c]"));
    let plan = place.run(&["plan", "--json"]).expect(0).json();
    let sql = plan["changes"][0]["steps"][0]["sql"].as_str().unwrap();
    let leftover = sql.split(' ').find(|word| word.starts_with("reconcile_new_")).unwrap();
    place.database.sql(&format!("CREATE INDEX {leftover} ON t (c)"));
    place.declare(&of_t("i: [a]"));
    assert_eq!(place.run(&["plan", "--json"]).expect(0).json()["summary"]["repair"], 1);
    place.project.apply(&place.database);
    place.rollback(2).expect(0);
    assert_eq!(before, [place.database.indexes(), place.managed()]);
}

/// Who deletes a declaration deletes its `protect: true` as well: what was applied counts.
#[test]
fn what_was_protected_stays_until_that_is_taken_back() {
    let place = Place::applied(newest(), "i: { columns: [a], protect: true }, j: [c]");
    let names = || place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1");
    let run = place.apply("");
    assert!(run.stdout.contains("index/public.t/i: protected: it stays"), "{run}");
    assert_eq!(names(), "i\nt_pkey");
    assert_eq!(place.managed(), "index/public.t/i\nindex/public.u/anchor");
    // Neither does `prune` drop it, nor a declaration that takes its place.
    place.apply("  t: { prune: true, indexes: { k: [a] } }");
    assert_eq!(names(), "i\nt_pkey");
    place.apply(&of_t("i: [a]"));
    place.apply("");
    assert_eq!(names(), "t_pkey");
}

#[test]
fn protection_is_recorded_without_any_other_change() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    // `j` also differs, and stays as it is.
    place.apply(&of_t("i: { columns: [a], protect: true }, j: { columns: [b], protect: true }"));
    place.project.expect_no_changes(&place.database);
    let state = place.database.indexes();
    place.apply("");
    assert_eq!(state, place.database.indexes());
    place.apply(&of_t("i: { columns: [a], protect: false }, j: [b]"));
    place.project.expect_no_changes(&place.database);
    place.apply("");
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't'"), "t_pkey");
}

#[test]
fn destroy_and_rollback_leave_what_was_protected() {
    let place = Place::applied(newest(), "i: [a]");
    place.apply(&of_t("i: { columns: [a], comment: ours, protect: true }"));
    place.declare("");
    let own = || place.database.sql("SELECT oid, obj_description(oid) FROM pg_class WHERE relname = 'i'");
    let before = own();
    for run in [1, 2] {
        let run = place.rollback(run).expect(0);
        assert!(run.stdout.contains("index/public.t/i: protected: it stays"), "{run}");
        assert_eq!(before, own());
    }
    let run = place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert!(run.stdout.contains("index/public.t/i: protected: it stays"), "{run}");
    assert_eq!(place.managed(), "index/public.t/i");
    place.run(&["forget", "index/public.t/i"]).expect(0);
    place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert_eq!(before, own());
}

/// A view would take it along.
#[test]
fn a_view_with_a_protected_index_stays() {
    let place = Place::applied(newest(), "");
    let view = |indexes: &str| {
        place.project.write(
            "schema/v.yaml",
            format!("materialized_views: {{ v: {{ query: SELECT a FROM t, indexes: {{ {indexes} }} }} }}\n"),
        );
        place.project.apply(&place.database);
    };
    view("i: { columns: [a], protect: true }, j: [a desc]");
    place.project.write("schema/v.yaml", "{}\n");
    let run = place.project.apply(&place.database);
    assert!(run.stdout.contains("matview/public.v: protected: it stays with its index `i`"), "{run}");
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'v'"), "i");
    let run = place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert!(run.stdout.contains("matview/public.v: protected: it stays with its index `i`"), "{run}");
    // A query that differs makes both anew, also an index that is no longer declared.
    place.project.write("schema/v.yaml", "materialized_views: { v: { query: SELECT a + 1 AS a FROM t } }\n");
    place.project.apply(&place.database);
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'v'"), "i");
    place.project.expect_no_changes(&place.database);
    view("i: [a]");
    place.project.write("schema/v.yaml", "{}\n");
    place.project.apply(&place.database);
    assert_eq!(place.database.sql("SELECT count(*) FROM pg_class WHERE relname = 'v'"), "0");
}
