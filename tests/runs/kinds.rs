//! Every kind of change, taken back: the indexes and the registry are what they were before, and the former
//! declarations have nothing to change.

use super::place::Place;
use crate::common::{Version, newest, versions};

struct Case {
    name: &'static str,
    /// What others do before the run that is taken back.
    meanwhile: &'static str,
    former: &'static str,
    latter: &'static str,
    /// Of the run that is taken back, besides zeros.
    summary: &'static [(&'static str, u64)],
}

const NONE: &str = "";

const CASES: &[Case] = &[
    Case {
        name: "create",
        meanwhile: "",
        former: NONE,
        latter: "  t: { indexes: { i: [a], j: { columns: [b], unique: true, comment: one of a kind } } }",
        summary: &[("create", 2)],
    },
    Case {
        name: "create over an expression, partial, with all that can be said",
        meanwhile: "",
        former: NONE,
        latter: "  t: { indexes: { i: { columns: [{ expression: lower(b), opclass: text_pattern_ops }, a desc nulls last], \
                 include: [c], where: a > 1, with: { fillfactor: 70 }, tablespace: fast } } }",
        summary: &[("create", 1)],
    },
    Case {
        name: "create on partitions, nested",
        meanwhile: "",
        former: NONE,
        latter: "  p: { indexes: { i: [b] } }",
        summary: &[("create", 1)],
    },
    Case {
        name: "create on a partition",
        meanwhile: "",
        former: NONE,
        latter: "  p1: { indexes: { i: [b] } }",
        summary: &[("create", 1)],
    },
    Case {
        name: "comment set",
        meanwhile: "",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { indexes: { i: { columns: [a], comment: it's } } }",
        summary: &[("update", 1)],
    },
    Case {
        name: "comment changed",
        meanwhile: "",
        former: "  t: { indexes: { i: { columns: [a], comment: before } } }",
        latter: "  t: { indexes: { i: { columns: [a], comment: after } } }",
        summary: &[("update", 1)],
    },
    Case {
        name: "comment removed",
        meanwhile: "",
        former: "  t: { indexes: { i: { columns: [a], comment: before } } }",
        latter: "  t: { indexes: { i: { columns: [a], comment: '' } } }",
        summary: &[("update", 1)],
    },
    Case {
        name: "comment of another one's index",
        meanwhile: "CREATE INDEX i ON t (a); COMMENT ON INDEX i IS 'theirs'",
        former: NONE,
        latter: "  t: { indexes: { i: { columns: [a], comment: ours } } }",
        summary: &[("update", 1)],
    },
    Case {
        name: "parameters set, changed and reset",
        meanwhile: "",
        former: "  t: { indexes: { i: [a], j: { columns: [b], with: { fillfactor: 70 } }, \
                 k: { columns: [c], with: { fillfactor: 80, deduplicate_items: off } } } }",
        latter: "  t: { indexes: { i: { columns: [a], with: { fillfactor: 60 } }, \
                 j: { columns: [b], with: { fillfactor: 71 } }, k: { columns: [c], with: {} } } }",
        summary: &[("update", 3)],
    },
    Case {
        name: "replace",
        meanwhile: "COMMENT ON INDEX i IS 'stays'; ALTER INDEX i SET (fillfactor = 77)",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { indexes: { i: [a, c] } }",
        summary: &[("replace", 1)],
    },
    Case {
        name: "replace with all else changed",
        meanwhile: "",
        former: "  t: { indexes: { i: { columns: [a], comment: before, with: { fillfactor: 70 }, tablespace: fast } } }",
        latter: "  t: { indexes: { i: { columns: [c], comment: after, with: {}, tablespace: Fast Disk } } }",
        summary: &[("replace", 1)],
    },
    Case {
        name: "replace of another one's index",
        meanwhile: "CREATE INDEX i ON t (lower(b)) WHERE a > 1",
        former: NONE,
        latter: "  t: { indexes: { i: [a] } }",
        summary: &[("replace", 1)],
    },
    Case {
        name: "replace of the clustered index, with statistics",
        meanwhile: "ALTER TABLE t CLUSTER ON i; ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 300",
        former: "  t: { indexes: { i: [{ expression: lower(b) }] } }",
        latter: "  t: { indexes: { i: [{ expression: lower(b) }, a] } }",
        summary: &[("replace", 1)],
    },
    Case {
        name: "replace on partitions",
        meanwhile: "",
        former: "  p: { indexes: { i: [b] } }",
        latter: "  p: { indexes: { i: [b, a] } }",
        summary: &[("replace", 1)],
    },
    Case {
        name: "replace by one that stands under a name given up",
        meanwhile: "",
        former: "  t: { indexes: { i: [a], j: [c] } }",
        latter: "  t: { indexes: { i: [c] } }",
        summary: &[("replace", 1), ("forget", 1)],
    },
    Case {
        name: "rename",
        meanwhile: "",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { indexes: { j: { columns: [a], comment: renamed } } }",
        summary: &[("rename", 1)],
    },
    Case {
        name: "rename on partitions",
        meanwhile: "",
        former: "  p: { indexes: { i: [b] } }",
        latter: "  p: { indexes: { j: [b] } }",
        summary: &[("rename", 1)],
    },
    Case {
        name: "exchange of names",
        meanwhile: "",
        former: "  t: { indexes: { i: [a], j: [c] } }",
        latter: "  t: { indexes: { i: [c], j: [a] } }",
        summary: &[("rename", 2)],
    },
    Case {
        name: "exchange of names in a circle, on partitions",
        meanwhile: "",
        former: "  p: { indexes: { i: [a], j: [b], k: [a, b] } }",
        latter: "  p: { indexes: { i: [b], j: [a, b], k: [a] } }",
        summary: &[("rename", 3)],
    },
    Case {
        name: "exchange of names with another one's index",
        meanwhile: "CREATE INDEX j ON t (c)",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { indexes: { i: [c], j: [a] } }",
        summary: &[("rename", 2)],
    },
    Case {
        name: "chain of renames",
        meanwhile: "",
        former: "  t: { indexes: { i: [a], j: [c], k: [b] } }",
        latter: "  t: { indexes: { j: [a], k: [c], l: [b] } }",
        summary: &[("rename", 3)],
    },
    Case {
        name: "rename, and a new one under the name that is free",
        meanwhile: "",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { indexes: { i: [c], j: [a] } }",
        summary: &[("create", 1), ("rename", 1)],
    },
    Case {
        name: "drop",
        meanwhile: "",
        former: "  t: { indexes: { i: [a], j: { columns: [{ expression: lower(b) }], unique: true, where: a > 1, \
                 with: { fillfactor: 70 }, tablespace: fast, comment: it's gone } } }",
        latter: NONE,
        summary: &[("drop", 2)],
    },
    Case {
        name: "drop on partitions",
        meanwhile: "",
        former: "  p: { indexes: { i: { columns: [b], comment: parts } } }",
        latter: NONE,
        summary: &[("drop", 1)],
    },
    Case {
        name: "drop under prune",
        meanwhile: "CREATE INDEX theirs ON t (lower(b)); COMMENT ON INDEX theirs IS 'theirs'",
        former: "  t: { indexes: { i: [a] } }",
        latter: "  t: { prune: true, indexes: { i: [a] } }",
        summary: &[("drop", 1)],
    },
    Case {
        name: "adopt, beside a change",
        meanwhile: "CREATE INDEX theirs ON t (lower(b))",
        former: NONE,
        latter: "  t: { indexes: { theirs: [{ expression: lower(b) }], i: [a] } }",
        summary: &[("create", 1), ("adopt", 1)],
    },
    Case {
        name: "adopt what a foreign key needs, and the replica identity",
        meanwhile: "CREATE UNIQUE INDEX needed ON t (a); CREATE TABLE f (a integer REFERENCES t (a)); \
                    CREATE UNIQUE INDEX identity ON t (c, id); ALTER TABLE t ALTER c SET NOT NULL; \
                    ALTER TABLE t REPLICA IDENTITY USING INDEX identity",
        former: NONE,
        latter: "  t: { indexes: { needed: { columns: [a], unique: true }, identity: { columns: [c, id], unique: true } } }",
        summary: &[("adopt", 2)],
    },
    Case {
        name: "several at once",
        meanwhile: "CREATE INDEX theirs ON t (id, a)",
        former: "  t: { indexes: { a1: [a], a2: [b], a3: [c], a4: [a, b] } }\n  p: { indexes: { i: [b] } }",
        latter: "  t: { indexes: { a1: [a, c], a3: { columns: [c], comment: new }, a5: [a, b], a6: [c, a], theirs: [id, a] } }\n  \
                 p: { indexes: { j: [b] } }",
        summary: &[("create", 1), ("update", 1), ("replace", 1), ("drop", 1), ("rename", 2), ("adopt", 1)],
    },
];

#[test]
fn every_kind_of_change_is_taken_back() {
    let failed: Vec<_> = CASES.iter().filter(|case| failed(case, newest())).map(|case| case.name).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

#[test]
fn every_kind_of_change_is_taken_back_on_the_oldest_version() {
    let failed: Vec<_> = CASES.iter().filter(|case| failed(case, &versions()[0])).map(|case| case.name).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// All cases are tried, so that one run shows them all.
fn failed(case: &Case, version: &'static Version) -> bool {
    eprintln!("case: {} on {}", case.name, version.major());
    std::panic::catch_unwind(|| take_back(case, version)).is_err()
}

fn take_back(case: &Case, version: &'static Version) {
    let place = Place::new(version);
    place.apply(case.former);
    place.database.sql(case.meanwhile);
    let (indexes, managed) = (place.database.indexes(), place.managed());

    place.declare(case.latter);
    let plan = place.run(&["plan", "--json"]).expect(0).json();
    let summary = plan["summary"].as_object().unwrap().iter().map(|(action, n)| (action.as_str(), n.as_u64().unwrap()));
    let mut expected = case.summary.to_vec();
    expected.sort_unstable();
    let mut summary: Vec<_> = summary.filter(|(_, count)| *count > 0).collect();
    summary.sort_unstable();
    assert_eq!(summary, expected);
    place.project.apply(&place.database);
    let (later_indexes, later_managed) = (place.database.indexes(), place.managed());

    place.rollback(2).expect(0);
    assert_eq!(indexes, place.database.indexes(), "the indexes before the run, and after the rollback");
    assert_eq!(managed, place.managed(), "the registry before the run, and after the rollback");
    place.declare(case.former);
    place.project.expect_no_changes(&place.database);

    let again = place.rollback(2).expect(0);
    assert!(again.stdout.contains("No changes."), "{again}");
    assert_eq!(place.latest(), 3, "a second rollback is no run");

    place.rollback(3).expect(0);
    assert_eq!(
        later_indexes,
        place.database.indexes(),
        "the indexes after the run, and after the rollback of its rollback"
    );
    assert_eq!(later_managed, place.managed(), "the registry after the run, and after the rollback of its rollback");
    place.declare(case.latter);
    place.project.expect_no_changes(&place.database);
    assert_eq!(place.runs(), "1|apply|done\n2|apply|done\n3|rollback|done\n4|rollback|done");
}
