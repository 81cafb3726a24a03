//! The sample database, loaded into real servers at its small scale.

use reconcile_scratch::sample::{Scale, rows_sql, schema_sql, statements};
use reconcile_scratch::{Options, Server, local};

const COUNTS: &str = "
SELECT 'stock', count(*), count(*) FILTER (WHERE status = 'active') FROM inventory.stock;
SELECT 'order', count(*), count(sold_at) FROM sales.\"order\";
SELECT 'logs', count(*), count(*) FILTER (WHERE created_at < now() - interval '30 days') FROM logging.system_logs;
SELECT 'events', count(*), count(*) FILTER (WHERE timestamp < now() - interval '60 days') FROM logging.event_store;
SELECT 'batches', count(*), count(*) FILTER (WHERE created_at < now() - interval '90 days') FROM integration.import_batches;
SELECT 'prices', count(*), count(*) FILTER (WHERE created_at < now() - interval '12 months') FROM pricing.price_history;
SELECT 'indexes', count(*), count(*) FILTER (WHERE indexname LIKE 'idx%') FROM pg_indexes WHERE schemaname !~ '^pg_';
";

#[test]
fn the_small_sample_loads_both_ways_on_every_version() {
    for installation in local() {
        let server = Server::start(&installation, Options::default()).unwrap();
        let scale = Scale::small();
        server.create_database("whole").unwrap();
        server.psql("whole", &format!("{}\n{}", schema_sql(), rows_sql(scale))).unwrap();
        server.create_database("single").unwrap();
        for statement in statements(scale) {
            server.psql("single", &statement).unwrap();
        }
        let counts = server.psql("whole", COUNTS).unwrap();
        assert_eq!(counts, server.psql("single", COUNTS).unwrap());
        assert_eq!(
            counts,
            "stock|100|2\norder|100|92\nlogs|90|60\nevents|75|45\nbatches|20|11\nprices|100|47\nindexes|32|0"
        );
    }
}

#[test]
fn a_driver_gets_one_statement_at_a_time() {
    for statement in statements(Scale::default()) {
        let last = statement.lines().last().unwrap();
        assert!(last.ends_with(';'), "{statement}");
        assert!(statement.contains("DO $$") || statement.matches(';').count() == 1, "{statement}");
        assert!(!statement.contains('{'), "{statement}");
    }
}
