//! The sample database and the repository's own declarations: the contract's commands, exit codes and JSON, end to end.

use std::fs;
use std::path::Path;

use reconcile_scratch::sample::{DASHBOARD, Scale, rows_sql, schema_sql};
use serde_json::{Value, json};

use crate::common::{Database, Project, Version, newest, versions};

const DECLARED: [&str; 14] = [
    "index/catalog.product/idx_product_sku_btree",
    "index/integration.import_batches/idx_import_batches_status",
    "index/integration.source_prices/idx_source_prices_raw_data_gin",
    "index/inventory.stock/idx_stock_external_ids_gin",
    "index/inventory.stock/idx_stock_listed_on_platforms_gin",
    "index/inventory.stock/idx_stock_product_status",
    "index/inventory.stock/idx_stock_status",
    "index/logging.system_logs/idx_system_logs_created_at",
    "index/pricing.price_history/idx_price_history_created_at",
    "index/sales.order/idx_order_platform_status",
    "index/sales.order/idx_order_sold_date_platform",
    "matview/analytics.current_stock_summary",
    "matview/analytics.daily_sales_summary",
    "matview/analytics.platform_performance_summary",
];

/// What comes with the views. The registry knows them as indexes like any other.
const OF_VIEWS: [&str; 5] = [
    "index/analytics.current_stock_summary/idx_current_stock_brand_status",
    "index/analytics.current_stock_summary/idx_current_stock_unique",
    "index/analytics.daily_sales_summary/idx_daily_sales_day",
    "index/analytics.daily_sales_summary/idx_daily_sales_unique",
    "index/analytics.platform_performance_summary/idx_platform_performance_unique",
];

/// The eight that the manual way adds, three for documents, and those of the views, as the server prints them.
const INDEXES: &str = "\
CREATE INDEX idx_current_stock_brand_status ON analytics.current_stock_summary USING btree (brand, status)
CREATE UNIQUE INDEX idx_current_stock_unique ON analytics.current_stock_summary USING btree (product_id, status)
CREATE INDEX idx_daily_sales_day ON analytics.daily_sales_summary USING btree (day DESC)
CREATE UNIQUE INDEX idx_daily_sales_unique ON analytics.daily_sales_summary USING btree (day, platform_id)
CREATE INDEX idx_import_batches_status ON integration.import_batches USING btree (status)
CREATE INDEX idx_order_platform_status ON sales.\"order\" USING btree (platform_id, status)
CREATE INDEX idx_order_sold_date_platform ON sales.\"order\" USING btree (sold_at DESC, platform_id) WHERE (sold_at IS NOT NULL)
CREATE UNIQUE INDEX idx_platform_performance_unique ON analytics.platform_performance_summary USING btree (platform_id)
CREATE INDEX idx_price_history_created_at ON pricing.price_history USING btree (created_at DESC)
CREATE INDEX idx_product_sku_btree ON catalog.product USING btree (sku) WHERE (sku IS NOT NULL)
CREATE INDEX idx_source_prices_raw_data_gin ON integration.source_prices USING gin (raw_data) WHERE (raw_data IS NOT NULL)
CREATE INDEX idx_stock_external_ids_gin ON inventory.stock USING gin (external_ids) WHERE (external_ids IS NOT NULL)
CREATE INDEX idx_stock_listed_on_platforms_gin ON inventory.stock USING gin (listed_on_platforms) WHERE (listed_on_platforms IS NOT NULL)
CREATE INDEX idx_stock_product_status ON inventory.stock USING btree (product_id, status)
CREATE INDEX idx_stock_status ON inventory.stock USING btree (status)
CREATE INDEX idx_system_logs_created_at ON logging.system_logs USING btree (created_at DESC)";

/// Every other index, outside the system's and reconcile's schemas.
const FURTHER: &str = "SELECT indexdef FROM pg_indexes
    WHERE schemaname !~ '^(pg_|information_schema|reconcile)' AND indexname !~ '^idx_' ORDER BY indexname";

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
fn the_sample_gets_its_indexes_and_views_and_nothing_else() {
    for version in versions() {
        let (database, project) = sample(version);
        let before = database.sql(FURTHER);
        let plan = project.run(&database, &["plan", "--format", "json", "--detailed-exitcode"]).expect(2).json();
        let mut addresses: Vec<_> = plan["changes"].as_array().unwrap().iter().map(|c| c["address"].clone()).collect();
        addresses.sort_by_key(ToString::to_string);
        assert_eq!(Value::from(addresses), json!(DECLARED));
        assert_eq!(plan["database"]["server_version"].as_u64().unwrap() / 10_000, u64::from(version.major()));
        let text = project.run(&database, &["plan"]).expect(0).stdout;
        assert!(text.ends_with("Plan: 14 to create, 0 to update, 0 to replace, 0 to drop.\n"), "{text}");

        let run = project.run(&database, &["apply", "--auto-approve"]).expect(0);
        assert!(run.stdout.contains("Applied: 14 changes, run 1."), "{run}");
        project.expect_no_changes(&database);
        let made = "SELECT indexdef FROM pg_indexes WHERE indexname ~ '^idx_' ORDER BY indexname COLLATE \"C\"";
        assert_eq!(database.sql(made), INDEXES);
        assert_eq!(database.sql(FURTHER), before);
        let views =
            "SELECT 'matview/' || schemaname || '.' || matviewname FROM pg_matviews WHERE ispopulated ORDER BY 1";
        assert_eq!(database.sql(views), DECLARED[11..].join("\n"));
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
    let summary = json!({ "create": 14, "update": 0, "replace": 0, "drop": 0, "rename": 0, "adopt": 0, "repair": 0, "forget": 0 });
    assert_eq!(plan["summary"], summary);
    let changes = plan["changes"].as_array().unwrap();
    for change in changes {
        assert_eq!(change["action"], "create");
        assert!(!change["reason"].as_str().unwrap().is_empty());
        assert_eq!(change["before"], Value::Null);
        assert_eq!(change["hazards"], json!(["index_build"]));
    }
    let (indexes, views) = changes.split_at(11);
    for change in indexes {
        assert!(change["after"]["columns"].is_array(), "{change}");
        let steps = change["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 1);
        assert!(steps[0]["sql"].as_str().unwrap().starts_with("CREATE INDEX CONCURRENTLY "));
        assert_eq!(steps[0]["transaction"], Value::Null);
        assert_eq!(steps[0]["lock"], "ShareUpdateExclusiveLock");
        assert_eq!(steps[0]["hazards"], json!(["index_build"]));
        assert!(steps[0]["undo"].as_str().unwrap().starts_with("DROP INDEX CONCURRENTLY "));
    }
    for change in views {
        assert_eq!(change["after"]["refresh"]["schedule"], "0 3 * * *", "{change}");
        let steps = change["steps"].as_array().unwrap();
        assert!(steps[0]["sql"].as_str().unwrap().starts_with("CREATE MATERIALIZED VIEW analytics."));
        assert!(steps[0]["undo"].as_str().unwrap().starts_with("DROP MATERIALIZED VIEW analytics."));
        assert!(steps[0]["transaction"].is_u64(), "{change}");
        assert!(steps.iter().all(|step| step["transaction"] == steps[0]["transaction"]), "{change}");
    }
}

#[test]
fn every_format_has_every_statement() {
    let (database, project) = sample(newest());
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    for format in ["text", "markdown", "sql"] {
        let text = project.run(&database, &["plan", "--format", format]).expect(0).stdout;
        for change in plan["changes"].as_array().unwrap() {
            for step in change["steps"].as_array().unwrap() {
                for line in step["sql"].as_str().unwrap().lines() {
                    assert!(text.contains(line.trim()), "{format} has no {line}");
                }
            }
        }
        assert!(text.contains("14 to create"), "{format}");
    }
    // What the SQL says is what an apply does.
    let script = project.run(&database, &["plan", "--format", "sql"]).expect(0).stdout;
    database.sql(&script);
    let plan = project.run(&database, &["plan", "--json", "--detailed-exitcode"]).expect(0).json();
    assert_eq!(plan["summary"]["adopt"], DECLARED.len() + OF_VIEWS.len());
}

#[test]
fn a_filter_plans_a_part() {
    let (database, project) = sample(newest());
    let only = ["plan", "--json", "--only", DECLARED[3]];
    assert_eq!(project.run(&database, &only).expect(0).json()["summary"]["create"], 1);
    let exclude = ["plan", "--json", "--exclude", DECLARED[3], "--exclude", DECLARED[4]];
    assert_eq!(project.run(&database, &exclude).expect(0).json()["summary"]["create"], 12);
    project.run(&database, &["apply", "--auto-approve", "--only", DECLARED[3]]).expect(0);
    let plan = project.run(&database, &["plan", "--json"]).expect(0).json();
    assert_eq!(plan["summary"]["create"], 13);
}

#[test]
fn registry_and_history_tell_what_was_applied() {
    let (database, project) = sample(newest());
    project.apply(&database);
    assert_eq!(
        database.sql("SELECT address FROM reconcile.resource ORDER BY address COLLATE \"C\""),
        [&OF_VIEWS[..], &DECLARED[..]].concat().join("\n")
    );
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.run"), "1");
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.step"), "22");
    // What reads a view that the same run makes is known in the server's form from the next run on: a record, no change.
    project.apply(&database);
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.run WHERE plan->'changes' <> '[]'"), "1");
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.step"), "22");
    // Nothing to do is no run.
    let runs = database.sql("SELECT count(*) FROM reconcile.run");
    project.apply(&database);
    assert_eq!(database.sql("SELECT count(*) FROM reconcile.run"), runs);
}

#[test]
fn a_rollback_removes_what_the_run_made_and_nothing_else() {
    for version in versions() {
        let (database, project) = sample(version);
        let before = database.indexes();
        project.run(&database, &["apply", "--auto-approve"]).expect(0);
        let after = database.indexes();
        project.run(&database, &["rollback", "1", "--auto-approve"]).expect_said(4, "index_drop");
        assert_eq!(after, database.indexes());
        let allowed = ["--allow", "index_drop,drop_table_data,access_exclusive_lock"];
        let run = project.run(&database, &[&["rollback", "1", "--auto-approve"], &allowed[..]].concat()).expect(0);
        assert!(run.stdout.contains("Plan: 0 to create, 0 to update, 0 to replace, 14 to drop.\n"), "{run}");
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

/// A sale of today of the marketplace that comes first, one of long ago, and one that did not come about.
const SALES: &str = "INSERT INTO sales.\"order\" (id, inventory_item_id, platform_id, status, sold_at, gross_sale,
        platform_fee, net_profit, roi, created_at, updated_at)
    SELECT gen_random_uuid(), (SELECT id FROM inventory.stock LIMIT 1), (SELECT min(id::text)::uuid FROM platform.marketplace),
        'completed', sold_at, 1000, 90, 300, 40, now(), now()
    FROM (VALUES (now()), (now() - interval '3 years'), (NULL)) sales (sold_at)";

/// Sales and stock, added up plainly, and what of the views has to be the same.
const SUMS: [(&str, &str); 4] = [
    (
        "SELECT sold_at::date, platform_id, count(*), sum(gross_sale), avg(roi) FROM sales.\"order\"
            WHERE sold_at >= CURRENT_DATE - INTERVAL '2 years' GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT day, platform_id, order_count, total_revenue, avg_roi FROM analytics.daily_sales_summary ORDER BY 1, 2",
    ),
    (
        "SELECT m.name, count(o), coalesce(sum(gross_sale), 0), coalesce(sum(platform_fee), 0), coalesce(sum(net_profit), 0),
            avg(roi), max(sold_at)::date
            FROM platform.marketplace m LEFT JOIN sales.\"order\" o
            ON o.platform_id = m.id AND sold_at >= CURRENT_DATE - INTERVAL '2 years' GROUP BY 1 ORDER BY 1",
        "SELECT platform, order_count, total_revenue, platform_fees, net_profit, avg_roi, last_day
            FROM analytics.platform_performance_summary ORDER BY 1",
    ),
    (
        "SELECT platform_id, max(revenue) FROM (SELECT platform_id, sum(gross_sale) AS revenue FROM sales.\"order\"
            WHERE sold_at >= CURRENT_DATE - INTERVAL '2 years' GROUP BY platform_id, sold_at::date) days GROUP BY 1 ORDER BY 1",
        "SELECT platform_id, best_day_revenue FROM analytics.platform_performance_summary
            WHERE order_count > 0 ORDER BY 1",
    ),
    (
        "SELECT p.sku, b.name, status, sum(quantity), sum(reserved_quantity), sum(quantity * purchase_price), min(purchase_date)
            FROM inventory.stock s JOIN catalog.product p ON p.id = product_id LEFT JOIN catalog.brand b ON b.id = brand_id
            WHERE status IN ('active', 'reserved', 'inactive') GROUP BY 1, 2, 3 ORDER BY 1, 3",
        "SELECT sku, brand, status, quantity, reserved_quantity, purchase_value, oldest_purchase
            FROM analytics.current_stock_summary ORDER BY 1, 3",
    ),
];

#[test]
fn the_sample_s_views_tell_what_the_tables_do_once_refreshed() {
    for version in [newest(), &versions()[0]] {
        let (database, project) = sample(version);
        // Neither a marketplace without a sale nor a product without a brand is lost.
        database.sql(
            "INSERT INTO platform.marketplace SELECT gen_random_uuid(), 'New', 'new', 9, true, now(), now();
            UPDATE catalog.product SET brand_id = NULL WHERE id IN (SELECT product_id FROM inventory.stock WHERE status = 'active')",
        );
        project.apply(&database);
        let expect_the_same = || {
            for (tables, view) in SUMS {
                assert_eq!(database.sql(view), database.sql(tables), "{view}");
            }
            for look in DASHBOARD {
                assert_eq!(database.sql(look.view), database.sql(look.orders), "{}", look.view);
            }
        };
        expect_the_same();
        assert_ne!(database.sql("SELECT count(*) FROM analytics.current_stock_summary WHERE brand IS NULL"), "0");

        database.sql(SALES);
        let revenue = "SELECT sum(total_revenue) FROM analytics.platform_performance_summary";
        let before = database.sql(revenue);
        project.run(&database, &["refresh", "analytics.platform_performance_summary"]).expect(0);
        assert_eq!(database.sql(revenue), before, "it reads the daily sales, which are not refreshed");
        project.run(&database, &["refresh"]).expect(0);
        expect_the_same();
        assert_ne!(database.sql(revenue), before);
        let recorded = "SELECT view_name, action, outcome FROM reconcile.refresh_run
            WHERE run = (SELECT max(run) FROM reconcile.refresh_run) ORDER BY id";
        assert_eq!(
            database.sql(recorded),
            "analytics.current_stock_summary|REFRESH CONCURRENTLY|done\n\
             analytics.daily_sales_summary|REFRESH CONCURRENTLY|done\n\
             analytics.platform_performance_summary|REFRESH CONCURRENTLY|done"
        );
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
