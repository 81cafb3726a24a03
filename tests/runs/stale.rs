//! A plan that is out of date says what changed.

use super::place::{Place, of_t};
use crate::common::newest;

struct Case {
    /// What somebody does between plan and apply.
    sql: &'static str,
    said: &'static [&'static str],
}

const CASES: [Case; 8] = [
    Case { sql: "CREATE INDEX new ON t (b, c)", said: &["index/public.t/new"] },
    Case { sql: "CREATE INDEX new ON t (a)", said: &["index/public.t/new has changed"] },
    Case { sql: "DROP INDEX changed", said: &["index/public.t/changed has changed"] },
    Case { sql: "DROP INDEX changed; CREATE INDEX changed ON t (c, a)", said: &["index/public.t/changed has changed"] },
    Case { sql: "DROP INDEX dropped", said: &["index/public.t/dropped"] },
    Case { sql: "COMMENT ON INDEX changed IS 'theirs'", said: &["index/public.t/changed has changed"] },
    Case {
        sql: "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (200) TO (300)",
        said: &["something that index/public.p/parts depends on has changed"],
    },
    Case {
        sql: "DROP INDEX changed; DROP INDEX dropped",
        said: &["index/public.t/changed has changed", "index/public.t/dropped"],
    },
];

#[test]
fn a_stale_plan_names_what_has_changed() {
    for case in &CASES {
        eprintln!("case: {}", case.sql);
        let place = Place::applied(newest(), "changed: [a, b], dropped: [c]");
        place.declare(&format!("{}\n  p: {{ indexes: {{ parts: [b] }} }}", of_t("changed: [b, a], new: [a]")));
        place.run(&["plan", "--out", "plan.json"]).expect(0);
        place.database.sql(case.sql);
        let before = place.state();
        let run = place.run(&["apply", "plan.json", "--auto-approve", "--allow", "all"]).expect(3);
        for words in case.said.iter().chain(&["the plan is stale", "nothing was written", "plan again"]) {
            assert!(run.stderr.contains(words), "expected `{words}`: {run}");
        }
        assert!(!run.stderr.contains("anchor"), "what did not change is not named: {run}");
        assert_eq!(before, place.state());
    }
}

#[test]
fn of_many_changes_some_are_named() {
    let place = Place::applied(newest(), "i: [a]");
    let many: Vec<_> = (0..9).map(|n| format!("n{n}: [a, {{ expression: c + {n} }}]")).collect();
    place.declare(&of_t(&many.join(", ")));
    place.run(&["plan", "--out", "plan.json"]).expect(0);
    let sql: Vec<_> = (0..9).map(|n| format!("CREATE INDEX n{n} ON t (a, (c + {n}))")).collect();
    place.database.sql(&sql.join("; "));
    let run = place.run(&["apply", "plan.json", "--auto-approve", "--allow", "all"]).expect(3);
    assert!(run.stderr.contains("index/public.t/n0 has changed"), "{run}");
    assert!(run.stderr.contains("more"), "{run}");
    assert!(!run.stderr.contains("index/public.t/n8"), "{run}");
}
