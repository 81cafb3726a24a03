//! The sample database and the repository's own declarations: the contract's commands, exit codes and JSON, end to end.

use std::fs;
use std::path::Path;

use reconcile_scratch::sample::{Scale, rows_sql, schema_sql};
use serde_json::{Value, json};

use crate::common::{Database, Project, Version, newest, versions};

const DECLARED: [&str; 8] = [
    "index/catalog.product/idx_product_sku_btree",
    "index/integration.import_batches/idx_import_batches_status",
    "index/inventory.stock/idx_stock_product_status",
    "index/inventory.stock/idx_stock_status",
    "index/logging.system_logs/idx_system_logs_created_at",
    "index/pricing.price_history/idx_price_history_created_at",
    "index/sales.order/idx_order_platform_status",
    "index/sales.order/idx_order_sold_date_platform",
];

fn sample(version: &'static Version) -> (Database, Project) {
    let (database, project) = (Database::new(version), Project::new());
    database.sql(&format!("{}\n{}", schema_sql(), rows_sql(Scale::small())));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema");
    for entry in fs::read_dir(schema).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        project.write(&format!("schema/{name}"), fs::read(&path).unwrap());
    }
    (database, project)
}

#[test]
fn the_sample_gets_its_eight_indexes_and_nothing_else() {
    for version in versions() {
        let (database, project) = sample(version);
        let before = database.indexes();
        let plan = project.run(&database, &["plan", "--format", "json", "--detailed-exitcode"]).expect(2).json();
        let mut addresses: Vec<_> = plan["changes"].as_array().unwrap().iter().map(|c| c["address"].clone()).collect();
        addresses.sort_by_key(ToString::to_string);
        assert_eq!(Value::from(addresses), json!(DECLARED));
        assert_eq!(plan["database"]["server_version"].as_u64().unwrap() / 10_000, u64::from(version.major()));
        let text = project.run(&database, &["plan"]).expect(0).stdout;
        assert!(text.ends_with("Plan: 8 to create, 0 to update, 0 to replace, 0 to drop.\n"), "{text}");

        let run = project.run(&database, &["apply", "--auto-approve"]).expect(0);
        assert!(run.stdout.contains("Applied: 8 changes, run 1."), "{run}");
        project.expect_no_changes(&database);
        let after = database.indexes();
        for line in before.lines() {
            assert!(after.contains(line), "{line} was there before");
        }
        assert_eq!(after.matches("idx_").count() - before.matches("idx_").count(), 16, "a name and a definition each");
        let stored = database.sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_order_sold_date_platform'");
        assert!(stored.ends_with("(sold_at DESC, platform_id) WHERE (sold_at IS NOT NULL)"), "{stored}");
    }
}

#[test]
fn the_json_of_a_plan_is_the_contract_s() {
    let (database, project) = sample(newest());
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    assert_eq!(plan["format_version"], 1);
    assert_eq!(plan["reconcile_version"], env!("CARGO_PKG_VERSION"));
    assert!(plan["created_at"].as_str().unwrap().ends_with('Z'), "{}", plan["created_at"]);
    assert_eq!(plan["database"]["name"], database.name.as_str());
    let identifier = database.sql("SELECT system_identifier FROM pg_control_system()");
    assert_eq!(plan["database"]["system_identifier"], identifier.as_str());
    assert_eq!(plan["database"]["server_version"].to_string(), database.sql("SHOW server_version_num"));
    for digest in ["fingerprint", "declared"] {
        let text = plan[digest].as_str().unwrap();
        let hex = text.strip_prefix("sha256:").unwrap();
        assert!(hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{digest}: {text}");
    }
    let summary =
        json!({ "create": 8, "update": 0, "replace": 0, "drop": 0, "rename": 0, "adopt": 0, "repair": 0, "forget": 0 });
    assert_eq!(plan["summary"], summary);
    for change in plan["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "create");
        assert!(!change["reason"].as_str().unwrap().is_empty());
        assert_eq!(change["before"], Value::Null);
        assert!(change["after"]["columns"].is_array(), "{change}");
        assert_eq!(change["hazards"], json!(["index_build"]));
        let steps = change["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 1);
        assert!(steps[0]["sql"].as_str().unwrap().starts_with("CREATE INDEX CONCURRENTLY "));
        assert_eq!(steps[0]["transaction"], Value::Null);
        assert_eq!(steps[0]["lock"], "ShareUpdateExclusiveLock");
        assert_eq!(steps[0]["hazards"], json!(["index_build"]));
        assert!(steps[0]["undo"].as_str().unwrap().starts_with("DROP INDEX CONCURRENTLY "));
    }
}

#[test]
fn every_format_has_every_statement() {
    let (database, project) = sample(newest());
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    for format in ["text", "markdown", "sql"] {
        let text = project.run(&database, &["plan", "--format", format]).expect(0).stdout;
        for change in plan["changes"].as_array().unwrap() {
            let sql = change["steps"][0]["sql"].as_str().unwrap();
            assert!(text.contains(sql), "{format} has no {sql}");
        }
        assert!(text.contains("8 to create"), "{format}");
    }
    // What the SQL says is what an apply does.
    let script = project.run(&database, &["plan", "--format", "sql"]).expect(0).stdout;
    database.sql(&script);
    let plan = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(0).json();
    assert_eq!(plan["summary"]["adopt"], 8);
}

#[test]
fn a_filter_plans_a_part() {
    let (database, project) = sample(newest());
    let only = ["plan", "--json", "--only", DECLARED[3]];
    assert_eq!(project.run(&database, &only).expect(0).json()["summary"]["create"], 1);
    let exclude = ["plan", "--json", "--exclude", DECLARED[3], "--exclude", DECLARED[4]];
    assert_eq!(project.run(&database, &exclude).expect(0).json()["summary"]["create"], 6);
    project.run(&database, &["apply", "--auto-approve", "--only", DECLARED[3]]).expect(0);
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    assert_eq!(plan["summary"]["create"], 7);
}

#[test]
fn registry_and_history_tell_what_was_applied() {
    let (database, project) = sample(newest());
    project.apply(&database);
    assert_eq!(
        database.sql("SELECT address FROM reconcile.resource ORDER BY address COLLATE \"C\""),
        DECLARED.join("\n")
    );
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.run"), "1");
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.step"), "8");
    // Nothing to do is no run.
    project.apply(&database);
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.run"), "1");
}

#[test]
fn a_rollback_removes_the_eight_and_nothing_else() {
    for version in versions() {
        let (database, project) = sample(version);
        let before = database.indexes();
        project.run(&database, &["apply", "--auto-approve"]).expect(0);
        let after = database.indexes();
        project.run(&database, &["rollback", "1", "--auto-approve"]).expect_said(4, "index_drop");
        assert_eq!(after, database.indexes());
        let run = project.run(&database, &["rollback", "1", "--auto-approve", "--allow", "index_drop"]).expect(0);
        assert!(run.stdout.contains("Plan: 0 to create, 0 to update, 0 to replace, 8 to drop.\n"), "{run}");
        for address in DECLARED {
            assert!(run.stdout.contains(&format!("- {address}\n")), "{run}");
        }
        assert_eq!(before, database.indexes());
        assert_eq!(database.sql("SELECT count(*) FROM reconcile.resource"), "0");
        let again = project.run(&database, &["rollback", "1", "--auto-approve"]).expect(0);
        assert!(again.stdout.ends_with("No changes. The database matches the declared state.\n"), "{again}");
        project.run(&database, &["rollback", "2", "--auto-approve"]).expect(0);
        assert_eq!(after, database.indexes());
        project.expect_no_changes(&database);
    }
}

/// The lines of the manual way's table, with the counts that plain SQL gives for its words.
const GOING: &str =
    "SELECT 'integration.import_records|DELETE (>90 days)|' || count(*) FROM integration.import_records r
      JOIN integration.import_batches b ON b.id = r.batch_id WHERE b.created_at < now() - interval '90 days'
    UNION ALL SELECT 'integration.import_batches|DELETE (>90 days)|' || count(*) FROM integration.import_batches
      WHERE created_at < now() - interval '90 days'
    UNION ALL SELECT 'logging.event_store|DELETE (>60 days)|' || count(*) FROM logging.event_store
      WHERE timestamp < now() - interval '60 days'
    UNION ALL SELECT 'logging.system_logs|DELETE (>30 days)|' || count(*) FROM logging.system_logs
      WHERE created_at < now() - interval '30 days'
    UNION ALL SELECT 'pricing.price_history|ARCHIVE (>12 months)|' || count(*) FROM pricing.price_history
      WHERE created_at < now() - interval '12 months'";

/// What a run has recorded, without the VACUUM of its tables.
const RECORDED: &str = "SELECT table_name, action, rows_affected FROM reconcile.retention_run
    WHERE run = (SELECT max(run) FROM reconcile.retention_run) AND action <> 'VACUUM ANALYZE' ORDER BY id";

#[test]
fn the_sample_s_rules_take_what_the_manual_way_promised() {
    for version in [newest(), &versions()[0]] {
        let (database, project) = sample(version);
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/retention.yaml");
        project.write("policies/retention.yaml", fs::read(policy).unwrap());
        project.apply(&database);
        let tables = [
            "integration.import_records",
            "integration.import_batches",
            "logging.event_store",
            "logging.system_logs",
            "pricing.price_history",
        ];
        let tuples = || {
            tables.map(|table| {
                database.sql(&format!(
                    "SELECT count(*), md5(string_agg(ctid::text || xmin || xmax, '' ORDER BY ctid)) FROM {table}"
                ))
            })
        };
        let (before, going) = (tuples(), database.sql(GOING));
        assert!(going.lines().all(|line| !line.ends_with("|0")), "{going}");
        assert_eq!(database.sql("SELECT table_name, action, rows_affected FROM reconcile.retention_preview()"), going);
        let dry = project.run(&database, &["retain", "--dry-run", "--json"]).expect(0).stdout;
        let lines = dry.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{}|{}|{}", text("table_name"), text("action"), line["rows_affected"])
        });
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), going);
        assert_eq!(tuples(), before);
        project.run(&database, &["retain"]).expect(0);
        assert_eq!(database.sql(RECORDED), going);
        let archived = database.sql("SELECT count(*) FROM pricing.price_history_archive");
        assert!(going.ends_with(&format!("|{archived}")), "{archived} {going}");
        project.run(&database, &["retain"]).expect(0);
        assert!(database.sql(RECORDED).lines().all(|line| line.ends_with("|0")), "{}", database.sql(RECORDED));
        project.expect_no_changes(&database);
    }
}
