//! Rollbacks beside other runs: refused where a later one touched the same object, fine beside unrelated ones.

use super::place::{Place, of_t};
use crate::common::newest;

/// It exits with this code, says this, and has written nothing.
fn expect_refused(place: &Place, run: i64, code: i32, words: &[&str]) {
    let before = place.state();
    let rollback = place.rollback(run).expect(code);
    for words in words {
        assert!(rollback.stderr.contains(words), "expected `{words}`: {rollback}");
    }
    assert_eq!(before, place.state());
}

struct Later {
    name: &'static str,
    /// Of run 1.
    first: &'static str,
    /// What comes between: declarations to apply, or arguments of the program.
    then: &'static [Then],
    /// The run and the address that stand in the way; `None`: nothing does.
    conflict: Option<(i64, &'static str)>,
}

enum Then {
    Declare(&'static str),
    Run(&'static [&'static str]),
    Rollback(i64),
}

use Then::{Declare, Rollback, Run};

const LATER: &[Later] = &[
    Later { name: "replaced", first: "i: [a]", then: &[Declare("i: [c]")], conflict: Some((2, "public.t/i")) },
    Later { name: "dropped", first: "i: [a]", then: &[Declare("")], conflict: Some((2, "public.t/i")) },
    Later {
        name: "commented",
        first: "i: [a]",
        then: &[Declare("i: { columns: [a], comment: x }")],
        conflict: Some((2, "public.t/i")),
    },
    Later { name: "renamed away", first: "i: [a]", then: &[Declare("j: [a]")], conflict: Some((2, "public.t/i")) },
    Later {
        name: "forgotten",
        first: "i: [a]",
        then: &[Run(&["forget", "index/public.t/i"])],
        conflict: Some((2, "public.t/i")),
    },
    Later {
        name: "taken by another one's replacement",
        first: "i: [a], j: [c]",
        then: &[Declare("i: [c]")],
        conflict: Some((2, "public.t/i")),
    },
    Later { name: "unrelated", first: "i: [a]", then: &[Declare("i: [a], j: [c]"), Declare("i: [a]")], conflict: None },
    Later { name: "changed and taken back", first: "i: [a]", then: &[Declare("i: [c]"), Rollback(2)], conflict: None },
    Later {
        name: "changed, taken back, and that taken back",
        first: "i: [a]",
        then: &[Declare("i: [c]"), Rollback(2), Rollback(3)],
        conflict: Some((2, "public.t/i")),
    },
    Later {
        name: "taken back and made again",
        first: "i: [a]",
        then: &[Rollback(1), Declare("i: [a]")],
        conflict: Some((3, "public.t/i")),
    },
    Later {
        name: "the same name elsewhere",
        first: "i: [a]",
        then: &[Run(&["apply", "--auto-approve"])],
        conflict: None,
    },
];

#[test]
fn what_a_later_run_touched_is_not_taken_back() {
    for case in LATER {
        eprintln!("case: {}", case.name);
        let place = Place::applied(newest(), case.first);
        for then in case.then {
            match then {
                Declare(indexes) => {
                    place.apply(&of_t(indexes));
                }
                Run(args) => drop(place.run(args).expect(0)),
                Rollback(run) => drop(place.rollback(*run).expect(0)),
            }
        }
        if let Some((run, address)) = case.conflict {
            let first = format!("run {run} has changed index/{address} since run 1");
            expect_refused(&place, 1, 3, &[&first, "nothing was written", &format!("`reconcile rollback {run}`")]);
        } else {
            place.rollback(1).expect(0);
            assert_eq!(place.database.sql("SELECT count(*) FROM pg_indexes WHERE tablename = 't'"), "1");
        }
    }
}

/// A run in the middle that was taken back stays so, whatever happened to the runs before it.
#[test]
fn a_run_that_was_taken_back_is_not_made_again_by_another_rollback_of_it() {
    let place = Place::applied(newest(), "i: [a]");
    place.apply(&of_t("i: [c]"));
    place.rollback(2).expect(0);
    place.rollback(1).expect(0);
    expect_refused(&place, 2, 3, &["run 4 has changed index/public.t/i since run 2"]);
}

#[test]
fn a_name_that_a_later_run_gave_to_something_else_is_not_touched() {
    let place = Place::applied(newest(), "i: [a]");
    place.apply(&of_t("j: [a]"));
    place.apply(&of_t("j: [a], i: [c]"));
    expect_refused(&place, 2, 3, &["run 3 has changed index/public.t/i since run 2"]);
}

#[test]
fn a_rollback_is_approved_like_any_plan() {
    let place = Place::applied(newest(), "i: [a]");
    let before = place.state();
    place.run(&["rollback", "1"]).expect_said(4, "index_drop");
    place.run(&["rollback", "1", "--auto-approve"]).expect_said(4, "--allow index_drop");
    place.run(&["rollback", "1", "--allow", "index_drop"]).expect_said(4, "no terminal");
    assert_eq!(before, place.state());
    place.run(&["rollback", "1", "--auto-approve", "--allow", "index_drop"]).expect(0);
    // To build again needs nobody's word but the general one.
    place.run(&["rollback", "2", "--auto-approve"]).expect(0);
    assert_eq!(before[..2], place.state()[..2]);
    place.project.write("reconcile.yaml", "version: 1\nsafety: { forbid: [index_drop] }\n");
    place.run(&["rollback", "3", "--auto-approve", "--allow", "all"]).expect_said(4, "safety.forbid");
}

#[test]
fn a_run_that_is_not_there_is_not_taken_back() {
    let place = Place::new(newest());
    place.declare("");
    let hint = "hint: `reconcile history` lists the runs";
    for run in ["1", "0", "9223372036854775807"] {
        place.run(&["rollback", run, "--auto-approve"]).expect_said(1, hint);
    }
    place.project.apply(&place.database);
    let before = place.state();
    place.run(&["rollback", "2", "--auto-approve"]).expect_said(1, "there is no run 2");
    for run in ["x", "", "1.5", "99999999999999999999"] {
        place.run(&["rollback", run]).expect(64);
    }
    assert_eq!(before, place.state());
}

#[test]
fn a_table_that_is_gone_is_named() {
    let place = Place::applied(newest(), "i: [a]");
    place.apply("");
    place.database.sql("DROP TABLE t");
    expect_refused(&place, 2, 1, &["there is no table or materialized view `public.t`"]);
    place.database.sql("CREATE TABLE t (b text)");
    expect_refused(&place, 2, 1, &["column `a` is not in `public.t`"]);
}

#[test]
fn what_cannot_come_back_is_said() {
    let place = Place::applied(newest(), "i: [{ expression: lower(b) }], j: [a]");
    place.database.sql("ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 300; ALTER TABLE t CLUSTER ON i");
    place.apply(&of_t("j: { columns: [a], tablespace: fast }"));
    let run = place.rollback(2).expect(0);
    for words in [
        "index/public.t/i: not brought back: the statistics targets of its expressions",
        "index/public.t/i: not brought back: CLUSTER ON of its table",
        "index/public.t/j: it is not moved back to the default tablespace",
    ] {
        assert!(run.stdout.contains(words), "expected `{words}`: {run}");
    }
    assert!(place.database.indexes().contains("CREATE INDEX i ON public.t USING btree (lower(b))"));
    place.rollback(2).expect(0);
}

#[test]
fn a_rollback_is_planned_for_what_is_there_now() {
    let place = Place::applied(newest(), "i: [a], j: [c]");
    // Gone by hand, and made by hand.
    place.database.sql("DROP INDEX i");
    let run = place.rollback(1).expect(0);
    assert!(run.stdout.contains("DROP INDEX CONCURRENTLY public.j"), "{run}");
    assert_eq!(place.managed(), "");
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"), "t_pkey");
}
