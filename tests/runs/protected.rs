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
