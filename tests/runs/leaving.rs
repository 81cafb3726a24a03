//! How objects leave reconcile's care: `forget` leaves them standing, `destroy` takes them away, and itself last.

use super::place::Place;
use crate::common::{Database, Project, newest};

const DESTROY: [&str; 4] = ["destroy", "--auto-approve", "--allow", "all"];

const REGISTRY: &str = "SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'";

#[test]
fn what_is_forgotten_stays_and_is_nobody_s() {
    let place = Place::applied(newest(), "i: [a], j: [c], k: [b]");
    let indexes = place.database.indexes();
    place.run(&["forget", "index/public.t/i", "index/public.t/k"]).expect(0);
    assert_eq!(indexes, place.database.indexes());
    assert_eq!(place.managed(), "index/public.t/j\nindex/public.u/anchor");
    assert_eq!(place.runs(), "1|apply|done\n2|forget|done");
    let history = place.run(&["history"]).expect(0).stdout;
    assert!(history.lines().nth(1).unwrap().contains("forget: 2 forget"), "{history}");
    // Without their declarations they are not dropped, and `j` is.
    place.apply("");
    let left = place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1");
    assert_eq!(left, "i\nk\nt_pkey");
}

#[test]
fn what_is_forgotten_and_still_declared_is_adopted_again() {
    let place = Place::applied(newest(), "i: [a]");
    let run = place.run(&["forget", "index/public.t/i"]).expect(0);
    assert!(run.stdout.contains("index/public.t/i: it is still declared: the next apply adopts it again"), "{run}");
    let plan = place.run(&["plan", "--json", "--detailed-exitcode"]).expect(0).json();
    assert_eq!(plan["summary"]["adopt"], 1);
    place.project.apply(&place.database);
    assert_eq!(place.managed(), "index/public.t/i\nindex/public.u/anchor");
}

#[test]
fn what_is_forgotten_can_be_remembered() {
    let place = Place::applied(newest(), "i: [a]");
    let (indexes, managed) = (place.database.indexes(), place.managed());
    place.run(&["forget", "index/public.t/i"]).expect(0);
    place.rollback(2).expect(0);
    assert_eq!((indexes, managed), (place.database.indexes(), place.managed()));
    place.project.expect_no_changes(&place.database);
}

#[test]
fn what_something_depends_on_is_forgotten_as_well() {
    let place = Place::applied(newest(), "i: { columns: [a], unique: true }, r: { columns: [id, a], unique: true }");
    place.database.sql(
        "CREATE TABLE f (a integer REFERENCES t (a)); ALTER TABLE t ALTER a SET NOT NULL; \
         ALTER TABLE t REPLICA IDENTITY USING INDEX r",
    );
    let indexes = place.database.indexes();
    place.run(&["forget", "index/public.t/i", "index/public.t/r"]).expect(0);
    assert_eq!(indexes, place.database.indexes());
    assert_eq!(place.managed(), "index/public.u/anchor");
}

#[test]
fn what_is_gone_is_forgotten_as_well() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    place.database.sql("DROP INDEX i");
    place.run(&["forget", "index/public.t/i"]).expect(0);
    place.database.sql("DROP TABLE t");
    place.run(&["forget", "index/public.t/j"]).expect(0);
    assert_eq!(place.managed(), "index/public.u/anchor");
}

#[test]
fn only_what_is_managed_is_forgotten() {
    let place = Place::applied(newest(), "idx_status: [a], other: [c]");
    place.database.sql("CREATE INDEX theirs ON t (b)");
    let before = place.state();
    let hint = "did you mean `index/public.t/idx_status`?";
    place.run(&["forget", "index/public.t/idx_statsu"]).expect_said(1, hint);
    place.run(&["forget", "index/public.t/other", "index/t/idx_statsu"]).expect_said(1, hint);
    place.run(&["forget", "index/public.t/theirs"]).expect_said(1, "index/public.t/theirs is not managed");
    place.run(&["forget", "index/z.z/quite_another"]).expect_said(1, "index/z.z/quite_another is not managed");
    for wrong in [&["forget"] as &[_], &["forget", "t"], &["forget", "table/public.t"]] {
        place.run(wrong).expect(64);
    }
    assert_eq!(before, place.state());
    let (empty, project) = (Database::new(newest()), Project::with("tables: {}"));
    project.run(&empty, &["forget", "index/public.t/i"]).expect_said(1, "is not managed");
    assert_eq!(empty.sql(REGISTRY), "0");
}

#[test]
fn destroy_takes_what_is_managed_and_leaves_what_is_not() {
    let place = Place::new(newest());
    place.database.sql("CREATE INDEX theirs ON t (b); CREATE INDEX adopted ON t (b, c)");
    let before = place.database.indexes();
    place.apply("  t: { indexes: { i: [a], adopted: [b, c] } }\n  p: { indexes: { j: [b] } }");
    // Whether it is still declared makes no difference.
    place.declare("  t: { indexes: { new: [c] } }");
    let state = place.state();
    place.run(&["destroy"]).expect_said(4, "index_drop");
    place.run(&["destroy", "--auto-approve"]).expect_said(4, "not allowed");
    place.run(&["destroy", "--allow", "all"]).expect_said(4, "no terminal");
    assert_eq!(state, place.state());
    let run = place.run(&DESTROY).expect(0);
    assert!(run.stdout.contains("schema reconcile"), "{run}");
    let adopted = "public.adopted\n  CREATE INDEX adopted ON public.t USING btree (b, c)\n";
    assert_eq!(before.replace(adopted, ""), place.database.indexes());
    assert_eq!(place.database.sql(REGISTRY), "0");
    let run = place.run(&DESTROY).expect(0);
    assert!(run.stderr.contains("nothing is managed here"), "{run}");
    assert_eq!(place.database.sql(REGISTRY), "0");
    place.project.apply(&place.database);
    assert_eq!(place.managed(), "index/public.t/new\nindex/public.u/anchor");
    assert_eq!(place.runs(), "1|apply|done");
}

#[test]
fn what_is_protected_survives_and_keeps_the_registry() {
    let place = Place::applied(newest(), "i: { columns: [a], protect: true }, j: [c]");
    let run = place.run(&DESTROY).expect(0);
    assert!(run.stdout.contains("index/public.t/i: protected: it is kept, and stays managed"), "{run}");
    assert!(run.stderr.contains("schema reconcile is kept"), "{run}");
    assert_eq!(place.managed(), "index/public.t/i");
    assert_eq!(place.runs(), "1|apply|done\n2|destroy|done");
    place.project.apply(&place.database);
    assert_eq!(place.managed(), "index/public.t/i\nindex/public.t/j\nindex/public.u/anchor");
    place.rollback(3).expect(0);
    // Where nothing else is left, nothing happens.
    let run = place.run(&DESTROY).expect(0);
    assert!(run.stderr.contains("schema reconcile is kept"), "{run}");
    assert_eq!(place.managed(), "index/public.t/i");
}

#[test]
fn what_others_put_into_the_schema_is_not_dropped() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("CREATE TABLE reconcile.notes (text text); INSERT INTO reconcile.notes VALUES ('mine')");
    let run = place.run(&DESTROY).expect(1);
    assert!(
        run.stderr.contains("schema reconcile is kept") && run.stderr.contains("reconcile.notes"),
        "not said: {run}"
    );
    assert!(run.stderr.contains("hint: "), "no hint: {run}");
    assert!(!run.stderr.contains("CASCADE"), "bad advice: {run}");
    assert_eq!(place.database.sql("SELECT text FROM reconcile.notes"), "mine");
    assert_eq!(place.managed(), "", "the managed ones are gone");
    place.database.sql("DROP TABLE reconcile.notes");
    place.run(&DESTROY).expect(0);
    assert_eq!(place.database.sql(REGISTRY), "0");
}

#[test]
fn what_something_depends_on_keeps_destroy_from_beginning() {
    let place = Place::applied(newest(), "i: { columns: [a], unique: true }, j: [c]");
    place.database.sql("CREATE TABLE f (a integer REFERENCES t (a))");
    let before = place.state();
    place.run(&DESTROY).expect_said(1, "f_a_fkey");
    assert_eq!(before, place.state());
}

#[test]
fn destroy_of_what_is_only_in_the_registry() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("DROP TABLE t CASCADE; DROP TABLE u CASCADE");
    place.run(&["destroy"]).expect_said(4, "no terminal");
    place.run(&["destroy", "--auto-approve"]).expect(0);
    assert_eq!(place.database.sql(REGISTRY), "0");
}

#[test]
fn json_of_each_command_is_lines() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    let commands: [&[&str]; 3] =
        [&["forget", "index/public.t/i"], &["rollback", "1", "--auto-approve", "--allow", "all"], &DESTROY];
    for args in commands {
        let run = place.run(&[&["--json"], args].concat());
        for line in run.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {run}"));
        }
        // The rollback meets the forget before it.
        assert_eq!(run.code, if args[0] == "rollback" { 3 } else { 0 }, "{run}");
    }
}
