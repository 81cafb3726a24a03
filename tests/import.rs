//! `import`: what it writes, planned against the same database, changes nothing.

use std::fs;
use std::path::Path;

use crate::common::{Database, Project, newest, versions};

/// What no form of `convergence` has: all that hangs on an index, and every kind of relation that carries one.
const MORE: &str = r#"
CREATE TABLE p (a integer, b text, PRIMARY KEY (a, b)) PARTITION BY RANGE (a);
CREATE TABLE "P.low" PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p_rest PARTITION OF p DEFAULT PARTITION BY LIST (b);
CREATE TABLE p_x PARTITION OF p_rest FOR VALUES IN ('x');
CREATE INDEX whole ON p (b, a DESC) WITH (fillfactor = 70);
CREATE INDEX part_only ON p_x (b) WHERE a > 1;
CREATE TABLE bare (a integer);
CREATE TABLE keys (a integer PRIMARY KEY, b integer UNIQUE, c int4range, EXCLUDE USING gist (c WITH &&));
CREATE MATERIALIZED VIEW seen AS SELECT a, b FROM p;
CREATE UNIQUE INDEX ON seen (a);
CREATE INDEX "with everything" ON keys USING btree (a DESC NULLS LAST) INCLUDE (c)
  WITH (fillfactor = 50, deduplicate_items = off) TABLESPACE "Fast Disk" WHERE b IS NOT NULL;
COMMENT ON INDEX "with everything" IS E'a "comment": \'two\' # lines\n  - and { a tab\t}';
CREATE INDEX "true" ON keys (b); CREATE INDEX "1.5" ON keys (b DESC); CREATE INDEX "~" ON keys (a, b);
CREATE INDEX " spaces " ON keys (b, a); CREATE INDEX "new
line: #" ON keys (b, a, c); CREATE INDEX "<<" ON keys ((a + 1));
"#;

fn data(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/convergence").join(file)).unwrap()
}

/// A database with every form of index, none of them managed.
fn database(version: &'static crate::common::Version) -> Database {
    let (database, project) = (Database::new(version), Project::new());
    database.sql(&data("before.sql"));
    project.write("reconcile.yaml", data("reconcile.yaml"));
    project.write("schema/forms.yaml", data("forms.yaml"));
    project.apply(&database);
    database.sql(&format!("DROP SCHEMA reconcile CASCADE; {MORE}"));
    database
}

#[test]
fn what_was_imported_plans_no_changes() {
    for version in versions() {
        let (database, project) = (database(version), Project::new());
        let before = database.indexes();
        project.run(&database, &["import", "--all", "--prune", "--out", "."]).expect(0);
        project.expect_no_changes(&database);
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!(before, database.indexes());

        // Everything is declared, and under `prune` that is the whole truth.
        database.sql("CREATE INDEX by_hand ON bare (a DESC)");
        let plan = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(2).json();
        assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan:#}");
        assert_eq!(plan["changes"][0]["address"], "index/public.bare/by_hand");
        assert_eq!(plan["changes"][0]["action"], "drop");
    }
}

#[test]
fn an_import_builds_the_same_again() {
    let (database, project) = (database(newest()), Project::new());
    project.run(&database, &["import", "--all", "--prune", "--out", "."]).expect(0);
    let before = database.indexes();
    let drops = database.sql(
        "SELECT format('DROP INDEX %s;', i.indexrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname !~ '^pg_' AND NOT relispartition \
         AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)",
    );
    database.sql(&drops);
    project.apply(&database);
    project.expect_no_changes(&database);
    // Parameters print as they were written, and the parts of a partitioned index have names of their own.
    let shown = |text: String| {
        let own = text.replace('\'', "").lines().filter(|line| !line.contains(" ON public.p")).count();
        (own, text.matches(" ON public.p").count())
    };
    assert_eq!(shown(before), shown(database.indexes()));
}

#[test]
fn an_import_is_selected_by_schema_and_table() {
    let (database, project) = (database(newest()), Project::new());
    project.run(&database, &["import", "--schema", "shop", "--out", "one"]).expect(0);
    let one = project.read("one/schema/shop.yaml");
    assert!(one.contains("same_table_name_elsewhere") && !one.contains("in_list_on_varchar"), "{one}");
    assert_eq!(fs::read_dir(project.path().join("one/schema")).unwrap().count(), 1);
    project.run(&database, &["import", "--table", "public.keys", "--table", "bare", "--out", "two"]).expect(0);
    let two = project.read("two/schema/public.yaml");
    assert!(two.contains("with everything") && !two.contains("stock") && !two.contains("bare"), "{two}");
    assert!(!two.contains("prune") && !two.contains("keys_pkey"), "{two}");
    project.run(&database, &["import", "--all", "--table", "bare", "--out", "three"]).expect(0);
    assert!(project.read("three/schema/public.yaml").contains("bare"));
    project.run(&database, &["import", "--table", "nowhere", "--out", "four"]).expect_said(1, "public.nowhere");
}

#[test]
fn an_import_overwrites_nothing() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql("CREATE TABLE t (a integer); CREATE INDEX i ON t (a); CREATE SCHEMA a; CREATE TABLE a.t (a integer); CREATE INDEX i ON a.t (a);");
    project.write("schema/public.yaml", "# mine\n");
    project.run(&database, &["import", "--out", "."]).expect_said(1, "public.yaml");
    assert_eq!(project.read("schema/public.yaml"), "# mine\n");
    assert!(!project.path().join("schema/a.yaml").exists(), "it has written some of the files");
}

#[test]
fn an_import_leaves_out_what_cannot_be_declared() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(
        "CREATE EXTENSION hstore; CREATE TABLE t (a integer UNIQUE); INSERT INTO t VALUES (1), (2); \
         CREATE TABLE p (a integer) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE INDEX i ON p (a);",
    );
    let _ = database.try_sql("CREATE UNIQUE INDEX CONCURRENTLY broken ON t ((a * 0))");
    project.run(&database, &["import", "--all", "--prune", "--out", "."]).expect(0);
    let text = project.read("schema/public.yaml");
    assert!(!text.contains("broken") && !text.contains("t_a_key") && !text.contains("p1_a_idx"), "{text}");
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    let drops: Vec<_> =
        plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] == "drop").collect();
    assert_eq!(drops.len(), 1, "{plan:#}");
    assert_eq!(drops[0]["address"], "index/public.t/broken");
}
