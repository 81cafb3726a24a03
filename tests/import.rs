//! `import`: what it writes, planned against the same database, changes nothing.

use std::fs;

use crate::common::{Database, Project, Version, newest, versions};
use crate::forms;

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

/// A database with every form of index, none of them managed.
fn database(version: &'static Version) -> Database {
    let database = forms::indexes(version).copy();
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

/// However many indexes with SQL there are: names along the search path, and nothing else.
#[test]
fn what_the_server_has_printed_is_not_asked_again() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql("CREATE TABLE t (a text, b integer, c timestamptz)");
    for number in 0..100 {
        database.sql(&format!("CREATE INDEX t_{number} ON t (lower(a), (b + {number})) WHERE (c IS NOT NULL)"));
    }
    project.run(&database, &["import", "--all", "--out", "."]).expect(0);
    project.run(&database, &["plan", "-v"]).expect_said(0, "4 round trips");
    assert!(!database.log().iter().any(|line| line.contains("CREATE TEMPORARY")));
    project.apply(&database);
    project.run(&database, &["plan", "-v"]).expect_said(0, "3 round trips");
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
    project.run(&database, &["import", "--all", "--prune", "--table", "bare", "--out", "three"]).expect(0);
    assert!(project.read("three/schema/public.yaml").contains("bare"));
    project.run(&database, &["import", "--table", "nowhere", "--out", "four"]).expect_said(1, "public.nowhere");
}

/// Tools for partitions make and drop them every day.
#[test]
fn an_import_declares_nothing_of_tables_that_may_go() {
    const DAYS: &str = "CREATE TABLE p (a integer) PARTITION BY LIST (a); CREATE INDEX i ON p (a); \
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);";
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(DAYS);
    let said = project.run(&database, &["import", "--all", "--out", "."]).expect(0).stdout;
    assert!(said.contains("2 tables without an index of their own were left out"), "{said}");
    let text = project.read("schema/public.yaml");
    assert!(!text.contains("p1") && !text.contains("{}"), "{text}");
    project.apply(&database);
    database.sql("DROP TABLE p1");
    project.expect_no_changes(&database);

    // Under `prune` there is something to declare, but of a table that is gone there is nothing to drop.
    let project = Project::new();
    project.run(&database, &["import", "--all", "--prune", "--out", "."]).expect(0);
    assert!(project.read("schema/public.yaml").contains("p2"));
    project.run(&database, &["plan", "--out", "saved"]).expect(0);
    database.sql("DROP TABLE p2");
    project.run(&database, &["apply", "saved", "--auto-approve"]).expect(0);
    let plan = project.run(&database, &["plan", "--detailed-exitcode"]).expect(0).stdout;
    let note = "there is no table or materialized view `public.p2`, and no index of it is declared";
    assert!(plan.contains(&format!("note: {note}")), "{plan}");
    let plan = project.run(&database, &["plan", "--format", "markdown"]).expect(0).stdout;
    assert!(plan.contains("\n- there is no table or materialized view"), "{plan}");
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    assert!(plan["notes"][0]["text"].as_str().unwrap().starts_with(note), "{plan}");
    // However many days there are: the plan stays short.
    let days: Vec<_> = (0..40).map(|day| format!("  old_{day}: {{ prune: true }}\n")).collect();
    project.write("schema/old.yaml", format!("tables:\n{}", days.concat()));
    let plan = project.run(&database, &["plan"]).expect(0).stdout;
    assert!(plan.contains("and 36 more, and no index of them is declared") && plan.lines().count() < 6, "{plan}");
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

/// Materialized views that no query form of `convergence` has: odd names and texts, all that hangs on one, and one that
/// has never been filled, with another over it.
const VIEWS: &str = r#"
CREATE MATERIALIZED VIEW stacked_again AS SELECT * FROM stacked;
CREATE MATERIALIZED VIEW bare_of_rows AS SELECT id FROM item WITH NO DATA;
CREATE MATERIALIZED VIEW over_bare AS SELECT id + 1 AS n FROM bare_of_rows WITH NO DATA;
CREATE MATERIALIZED VIEW strings AS SELECT E'a\n<<: b  \n\t c \r\n    indexes:\n\n# d: \'e\' -- \u2028\u0085\ufeff ; $$' AS a, '' AS b;
CREATE MATERIALIZED VIEW blocks AS SELECT E'\n  indexes:\n      <<: x\n--- \n...\n ' AS a, E'ünï\\c\'ödé: %' AS " c: #", 1 AS "<<";
CREATE MATERIALIZED VIEW "<<" WITH (fillfactor = 70, autovacuum_enabled = off) TABLESPACE "Fast Disk" AS SELECT id, name FROM item WHERE id = 1;
COMMENT ON MATERIALIZED VIEW "<<" IS E'  of \'one\':\n      <<: "x"\n# y\t';
CREATE UNIQUE INDEX "<< key" ON "<<" (id) INCLUDE (name) WITH (fillfactor = 50) TABLESPACE fast;
CREATE INDEX "i: 1" ON "<<" (lower(name) COLLATE "C" DESC) WHERE id > 0;
COMMENT ON INDEX "i: 1" IS 'of names';
CREATE MATERIALIZED VIEW "Odd.Schema"." a ""b"" '
  indexes:
      <<: c" AS SELECT 1 AS a;
CREATE INDEX "<<" ON "Odd.Schema"." a ""b"" '
  indexes:
      <<: c" (a);
CREATE MATERIALIZED VIEW reconcile_new_0123456789abcdef AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW reconcile_new_customers AS SELECT 1 AS a;
CREATE SCHEMA reconcile; CREATE MATERIALIZED VIEW reconcile.own AS SELECT 1 AS a;
CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext;
CREATE MATERIALIZED VIEW ext.of_extension AS SELECT 1 AS a; ALTER EXTENSION hstore ADD MATERIALIZED VIEW ext.of_extension;
CREATE MATERIALIZED VIEW with_operators AS SELECT 'a=>1'::ext.hstore OPERATOR(ext.->) 'a' AS a;
"#;

/// A database with every form of query, none of the views managed.
fn database_of_views(version: &'static Version) -> Database {
    let database = forms::queries(version).copy();
    database.sql(&format!("DROP SCHEMA reconcile CASCADE; {VIEWS}"));
    database
}

#[test]
fn what_was_imported_of_views_plans_no_changes() {
    for version in [&versions()[0], newest()] {
        let (database, project) = (database_of_views(version), Project::new());
        let before = database.indexes();
        let run = project.run(&database, &["import", "--out", "."]).expect(0);
        let of =
            "FROM pg_matviews WHERE schemaname IN ('public', 'Odd.Schema') AND matviewname !~ '^reconcile_new_\\d'";
        let made = database.sql(&format!("SELECT count(*) {of}"));
        let in_public = database.sql(&format!("SELECT count(*) {of} AND schemaname = 'public'"));
        assert!(
            run.stdout.contains(&format!("public.yaml: 0 tables, {in_public} materialized views, 2 indexes")),
            "{run}"
        );
        database.sql("DROP MATERIALIZED VIEW reconcile.own; DROP SCHEMA reconcile");
        project.run(&database, &["validate"]).expect(0);

        let plan = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(0).json();
        let views = plan["changes"].as_array().unwrap().iter().filter(|change| {
            change["action"] == "adopt" && change["address"].as_str().unwrap().starts_with("matview/")
        });
        assert_eq!(views.count().to_string(), made, "on {}: {plan:#}", version.major());
        assert_eq!(plan["summary"]["adopt"].as_u64(), made.parse::<u64>().ok().map(|views| views + 3), "{plan:#}");
        project.apply(&database);
        project.expect_no_changes(&database);
        assert_eq!(before.replace("reconcile.own", ""), database.indexes(), "on {}", version.major());
    }
}

#[test]
fn an_import_of_views_makes_the_same_again() {
    let (database, project) = (database_of_views(newest()), Project::new());
    database.sql("DROP SCHEMA reconcile CASCADE; DROP MATERIALIZED VIEW reconcile_new_0123456789abcdef");
    project.run(&database, &["import", "--out", "."]).expect(0);
    let before = database.indexes();
    let drops = database.sql(
        "SELECT format('DROP MATERIALIZED VIEW IF EXISTS %I.%I CASCADE;', schemaname, matviewname) FROM pg_matviews \
         WHERE schemaname <> 'ext'",
    );
    database.sql(&drops);
    project.apply(&database);
    project.expect_no_changes(&database);
    // Some queries print otherwise once their own print was parsed.
    let kept = ["public.", "\"Odd", "  CREATE", "  tablespace", "  comment"];
    let shown = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| kept.iter().any(|kept| line.starts_with(kept)));
        lines.map(|line| line.replace("='50'", "=50")).collect()
    };
    assert!(shown(&before).len() > 60, "{before}");
    assert_eq!(shown(&before), shown(&database.indexes()));
}

#[test]
fn views_are_selected_as_tables_are_and_have_no_prune() {
    let (database, project) = (database_of_views(newest()), Project::new());
    project
        .run(&database, &["import", "--all", "--prune", "--table", "<<", "--table", "item", "--out", "one"])
        .expect(0);
    let expected = r#"tables:
  public.item:
    prune: true
materialized_views:
  public.<<:
    query: |-
      SELECT id,
          name
         FROM public.item
        WHERE (id = 1)
    with:
      autovacuum_enabled: off
      fillfactor: 70
    tablespace: Fast Disk
    comment: "  of 'one':\n      <<: \"x\"\n# y\t"
    indexes:
      << key:
        columns:
        - id
        unique: true
        include:
        - name
        with:
          fillfactor: 50
        tablespace: fast
      'i: 1':
        columns:
        - expression: lower((name)::text)
          order: desc
          collation: C
        where: (id > 0)
        comment: of names
"#;
    assert_eq!(project.read("one/schema/public.yaml"), expected);
    project.run(&database, &["import", "--schema", "Odd.Schema", "--out", "two"]).expect(0);
    assert_eq!(fs::read_dir(project.path().join("two/schema")).unwrap().count(), 1);
    project.run(&database, &["import", "--table", "bare_of_rows", "--table", "no_names", "--out", "three"]).expect(0);
    let three = project.read("three/schema/public.yaml");
    assert!(!three.contains("tables:") && three.matches("with_data: false").count() == 2, "{three}");
    let none = ["import", "--schema", "ext", "--schema", "reconcile", "--out", "four"];
    let run = project.run(&database, &none).expect(0);
    assert!(run.stdout.contains("Nothing to import") && !project.path().join("four").exists(), "{run}");
}

/// What YAML can say is written; of the rest, the import says that it is not there.
#[test]
fn an_import_writes_rights_and_names_what_no_file_can_say() {
    for version in [&versions()[0], newest()] {
        let (database, project) = (Database::new(version), Project::new());
        let role = |name: &str| format!("DO $$ BEGIN CREATE ROLE {name}; EXCEPTION WHEN duplicate_object THEN END $$;");
        database.sql(&format!(
            "{} {} {}
             CREATE TABLE t (id integer NOT NULL, a text);
             CREATE UNIQUE INDEX t_id ON t (id); ALTER TABLE t REPLICA IDENTITY USING INDEX t_id, CLUSTER ON t_id;
             CREATE INDEX t_a ON t (lower(a)); ALTER INDEX t_a ALTER COLUMN 1 SET STATISTICS 7;
             CREATE MATERIALIZED VIEW v AS SELECT t.id, t.a FROM t;
             GRANT SELECT ON v TO PUBLIC; GRANT SELECT, UPDATE ON v TO \"Import Reader\" WITH GRANT OPTION;
             GRANT SELECT (a) ON v TO import_keeper; ALTER MATERIALIZED VIEW v ALTER a SET STATISTICS 100;
             ALTER MATERIALIZED VIEW v DEPENDS ON EXTENSION plpgsql;
             CREATE MATERIALIZED VIEW mixed AS SELECT t.id FROM t;
             GRANT SELECT ON mixed TO import_keeper WITH GRANT OPTION; GRANT UPDATE ON mixed TO import_keeper;
             ALTER MATERIALIZED VIEW mixed OWNER TO import_owner;",
            role("\"Import Reader\""),
            role("import_keeper"),
            role("import_owner")
        ));
        let run = project.run(&database, &["import", "--out", "."]).expect(0);
        let said: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("not in the files: ")).collect();
        assert_eq!(
            said,
            [
                "not in the files: public.mixed: the rights of import_keeper, some with grant option",
                "not in the files: public.v: rights on columns, the settings of the column a, its dependence on the \
                 extension plpgsql",
                "not in the files: public.t_a: the statistics targets of its expressions",
                "not in the files: public.t_id: CLUSTER ON of its table, the replica identity of its table",
            ]
        );
        let text = project.read("schema/public.yaml");
        assert!(text.contains("Import Reader:") && text.contains("grant_option: true"), "{text}");
        project.apply(&database);
        project.expect_no_changes(&database);
        database.sql("REVOKE ALL ON v FROM PUBLIC, \"Import Reader\"");
        project.apply(&database);
        let held =
            "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE relname = 'v' AND a.grantee <> c.relowner";
        assert_eq!(database.sql(held), "3");
    }
}
