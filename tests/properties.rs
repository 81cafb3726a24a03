//! Generated definitions: whatever can be declared is applied in one go, is then as declared, and is imported as
//! itself; a definition that is changed is noticed.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::common::{Database, Project, versions};

/// Cases of a run; each has up to a dozen indexes.
const CASES: u32 = 64;

/// Leaves nothing of the case before this one.
const TABLE: &str = r#"
DROP SCHEMA IF EXISTS reconcile CASCADE;
DROP TABLE IF EXISTS "Odd table";
CREATE TABLE "Odd table" (
  id integer, name text, code varchar(20), price numeric, made date, seen timestamptz, doc jsonb, tags text[],
  active boolean, "Mixed ""Case" text COLLATE "C", "a.b" bigint
);
"#;

/// Columns that btree, hash and brin all take, with operator classes other than the default one.
const SORTED: [(&str, &[&str]); 8] = [
    ("id", &["int4_ops"]),
    ("name", &["text_ops", "text_pattern_ops", "varchar_pattern_ops"]),
    ("code", &["text_ops", "varchar_ops", "text_pattern_ops"]),
    ("price", &["numeric_ops"]),
    ("made", &["date_ops"]),
    ("seen", &[]),
    ("Mixed \"Case", &["text_pattern_ops"]),
    ("a.b", &["int8_ops"]),
];

const EXPRESSIONS: [&str; 10] = [
    "lower(name)",
    "UPPER( code )",
    "coalesce(name, code, 'x')",
    "id + 1",
    "(price * 1.10)::numeric(10,2)",
    "(seen at time zone 'UTC')::date",
    "doc->>'key'",
    "CASE WHEN active THEN name ELSE 'no' END",
    "\"Mixed \"\"Case\" || 'x'",
    "substring(name from 1 for 3)",
];

const PREDICATES: [&str; 12] = [
    "active",
    "NOT active OR id IN (1, 2)",
    "code IN ('a', 'b')",
    "code NOT IN ('a', 'b') AND name != 'x'",
    "id BETWEEN 1 AND 10",
    "name LIKE 'a%' -- starts with a",
    "made >= DATE '2024-01-01'",
    "seen > '2024-01-01 12:00+02'",
    "doc @> '{\"a\": [1]}'",
    "'x' = ANY (tags)",
    "\"Odd table\".\"a.b\" > -1",
    "(name, code) IS NOT NULL AND price IS DISTINCT FROM .5",
];

fn name() -> impl Strategy<Value = String> {
    // An alphabet that YAML, SQL and a terminal each have something to say about.
    let letter =
        select(vec!["a", "B", " ", "\"", "'", ".", "\n", "-", "#", ":", "é", "名", "%", "\\", "/", "{", "$", "1", "~"]);
    vec(letter, 1..20).prop_map(|letters| letters.concat())
}

fn comment() -> impl Strategy<Value = String> {
    vec(select(vec!["a", " ", "\n", "'", "\\", "\t", "é", "# ", ": ", "\"", "- "]), 0..12)
        .prop_map(|parts| parts.concat())
}

/// A key that btree takes.
fn key() -> impl Strategy<Value = Value> {
    let order = (select(vec![None, Some("asc"), Some("desc")]), select(vec![None, Some("first"), Some("last")]));
    let column = select(SORTED.to_vec()).prop_flat_map(|(column, classes)| {
        let class =
            if classes.is_empty() { Just(None).boxed() } else { prop::option::of(select(classes.to_vec())).boxed() };
        class.prop_map(move |class| json!({ "column": column, "opclass": class }))
    });
    let expression = select(EXPRESSIONS.to_vec()).prop_map(|text| json!({ "expression": text }));
    let collated = select(vec!["name", "code", "Mixed \"Case"]).prop_flat_map(|column| {
        let collation = select(vec!["C", "POSIX", "default", "pg_catalog.C"]);
        collation.prop_map(move |collation| json!({ "column": column, "collation": collation }))
    });
    (prop_oneof![3 => column, 2 => expression, 1 => collated], order).prop_map(|(mut key, (order, nulls))| {
        key["order"] = order.into();
        key["nulls"] = nulls.into();
        key
    })
}

fn btree() -> impl Strategy<Value = Value> {
    let include = subsequence(vec!["id", "name", "a.b", "Mixed \"Case"], 0..3);
    (vec(key(), 1..4), any::<bool>(), include, prop::option::of(10..100_i32)).prop_map(
        |(keys, unique, include, fill)| {
            let with = fill.map(|fill| json!({ "fillfactor": fill, "deduplicate_items": fill % 2 == 0 }));
            json!({ "columns": keys, "unique": unique, "include": include, "with": with })
        },
    )
}

fn other_method() -> impl Strategy<Value = Value> {
    let gin = (any::<bool>(), any::<bool>()).prop_map(|(path, fast)| {
        let doc = json!({ "column": "doc", "opclass": path.then_some("jsonb_path_ops") });
        json!({ "method": "gin", "columns": [doc, "tags"], "with": { "fastupdate": fast } })
    });
    let hash = select(vec![json!(["name"]), json!(["a.b"]), json!([{ "expression": "md5(name)" }])])
        .prop_map(|columns| json!({ "method": "hash", "columns": columns }));
    let pages = 1..64_i32;
    let brin = (subsequence(vec!["id", "made", "seen", "price"], 1..4), prop::option::of(pages)).prop_map(
        |(columns, pages)| {
            let with = pages.map(|pages| json!({ "pages_per_range": pages, "autosummarize": true }));
            json!({ "method": "brin", "columns": columns, "with": with })
        },
    );
    let spgist = Just(json!({ "method": "spgist", "columns": ["name"], "include": ["id"] }));
    prop_oneof![gin, hash, brin, spgist]
}

fn index() -> impl Strategy<Value = Value> {
    let predicate = prop::option::of(select(PREDICATES.to_vec()));
    (prop_oneof![3 => btree().boxed(), 1 => other_method().boxed()], predicate, prop::option::of(comment()))
        .prop_map(|(mut index, predicate, comment)| {
            index["where"] = predicate.into();
            index["comment"] = comment.into();
            without_nulls(index)
        })
        // SP-GiST has INCLUDE since PostgreSQL 14, as all the others here.
        .boxed()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// JSON is YAML.
fn declared(indexes: &Value) -> String {
    json!({ "tables": { "Odd table": { "indexes": indexes } } }).to_string()
}

fn holds(indexes: &Value, database: &Database) {
    database.sql(TABLE);
    let project = Project::with(declared(indexes));
    project.apply(database);
    project.expect_no_changes(database);
    let live = database.indexes();
    assert_eq!(live.matches("\n  CREATE ").count(), indexes.as_object().unwrap().len());
    assert!(!live.contains(" INVALID"), "{live}");

    // Without the registry, the server tells that all of it is as declared.
    database.sql("DROP SCHEMA reconcile CASCADE");
    project.expect_no_changes(database);
    let imported = Project::new();
    imported.run(database, &["import", "--all", "--prune", "--out", "."]).expect(0);
    imported.expect_no_changes(database);

    // Each of them, changed, is noticed.
    let changed: serde_json::Map<_, _> = indexes.as_object().unwrap().clone().into_iter().map(changed).collect();
    let count = changed.len();
    let plan = Project::with(declared(&changed.into())).run(database, &["plan", "--json"]).expect(0).json();
    let summary = &plan["summary"];
    assert_eq!(summary["replace"].as_u64().unwrap(), count as u64, "{summary}");
    assert_eq!(live, database.indexes());
}

/// The same index with another predicate than any of the pool's.
fn changed((name, mut index): (String, Value)) -> (String, Value) {
    let predicate = index.get("where").and_then(Value::as_str).unwrap_or("true").to_owned();
    index["where"] = format!("({predicate}\n) AND id <> 99").into();
    (name, index)
}

#[test]
fn generated_indexes_converge_and_import_as_themselves() {
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let indexes = btree_map(name(), index(), 1..12).prop_map(|indexes| {
        // PostgreSQL keeps 63 bytes of a name; what is longer is refused, and tested elsewhere.
        indexes.into_iter().filter(|(name, _)| name.len() < 64).collect::<serde_json::Map<_, _>>()
    });
    let databases: Vec<_> = versions().iter().map(Database::new).collect();
    let strategy = (indexes, 0..100_usize);
    let result = TestRunner::new(config).run(&strategy, |(indexes, version)| {
        holds(&indexes.into(), &databases[version % databases.len()]);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
