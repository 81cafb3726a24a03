//! The sample database: a sneaker reseller's, as it is before reconcile sees it.
//!
//! Twelve tables in seven schemas, with the indexes that exist already, and the empty schema `analytics`. Of the rows, a share is past what the reseller
//! wants to keep. The indexes and views to add and the policies are left to the examples that use it.

const TABLES: &str = include_str!("sample/tables.sql");
const KEYS: &str = include_str!("sample/keys.sql");
const ROWS: &str = include_str!("sample/rows.sql");
const ANALYZE: &str = "ANALYZE;";

/// Creates the database `shop`, from another one.
pub const CREATE_DATABASE: &str = "CREATE DATABASE shop";

/// Queries of the application that read whole tables as long as the declared indexes are missing.
pub const QUERIES: [&str; 4] = [
    "SELECT * FROM inventory.stock WHERE status = 'active'",
    "SELECT * FROM inventory.stock WHERE external_ids @> '{\"listing\": 42}'",
    "SELECT * FROM logging.system_logs WHERE created_at < now() - interval '11 months'",
    "SELECT * FROM pricing.price_history ORDER BY created_at DESC LIMIT 20",
];

/// One look at the dashboard. Both queries have the same rows once the views are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// As it is asked of the orders, which are added up each time. No index spares that.
    pub orders: &'static str,
    /// As it is asked of the declared view, which holds the sums.
    pub view: &'static str,
}

/// Revenue by day and platform: of the last 30 days, and all that the view has.
pub const DASHBOARD: [Look; 2] = [
    Look {
        orders: "SELECT sold_at::date AS day, platform_id, sum(gross_sale) AS total_revenue FROM sales.order \
            WHERE sold_at >= CURRENT_DATE - 30 GROUP BY 1, 2 ORDER BY 1 DESC, 2",
        view: "SELECT day, platform_id, total_revenue FROM analytics.daily_sales_summary \
            WHERE day >= CURRENT_DATE - 30 ORDER BY 1 DESC, 2",
    },
    Look {
        orders: "SELECT sold_at::date AS day, platform_id, sum(gross_sale) AS total_revenue FROM sales.order \
            WHERE sold_at >= CURRENT_DATE - INTERVAL '2 years' GROUP BY 1, 2 ORDER BY 1 DESC, 2",
        view: "SELECT day, platform_id, total_revenue FROM analytics.daily_sales_summary ORDER BY 1 DESC, 2",
    },
];

/// How many rows each table gets. The default is enough for plans to change with an index, and loads in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Rows of `catalog.brand`.
    pub brands: u32,
    /// Rows of `catalog.category`.
    pub categories: u32,
    /// Rows of `catalog.product`.
    pub products: u32,
    /// Rows of `inventory.stock`; one in fifty has the status `active`.
    pub stock: u32,
    /// Rows of `sales.order`.
    pub orders: u32,
    /// Rows of `integration.import_batches`, spread over the last 200 days.
    pub import_batches: u32,
    /// Rows of `integration.import_records`, shared out evenly to the batches.
    pub import_records: u32,
    /// Rows of `integration.source_prices`.
    pub source_prices: u32,
    /// Rows of `pricing.price_history`, spread over the last 700 days.
    pub price_history: u32,
    /// Rows of `logging.system_logs`, spread over the last 90 days.
    pub system_logs: u32,
    /// Rows of `logging.event_store`, spread over the last 150 days.
    pub event_store: u32,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            brands: 60,
            categories: 12,
            products: 20_000,
            stock: 200_000,
            orders: 200_000,
            import_batches: 2_000,
            import_records: 20_000,
            source_prices: 20_000,
            price_history: 100_000,
            system_logs: 100_000,
            event_store: 50_000,
        }
    }
}

impl Scale {
    /// Some hundred rows, for tests.
    #[must_use]
    pub fn small() -> Self {
        Self {
            brands: 6,
            categories: 6,
            products: 40,
            stock: 100,
            orders: 100,
            import_batches: 20,
            import_records: 60,
            source_prices: 40,
            price_history: 100,
            system_logs: 90,
            event_store: 75,
        }
    }

    /// The names that `rows.sql` uses, with their numbers.
    fn numbers(self) -> [(&'static str, u32); 11] {
        [
            ("{brands}", self.brands),
            ("{categories}", self.categories),
            ("{products}", self.products),
            ("{stock}", self.stock),
            ("{orders}", self.orders),
            ("{import_batches}", self.import_batches),
            ("{import_records}", self.import_records),
            ("{source_prices}", self.source_prices),
            ("{price_history}", self.price_history),
            ("{system_logs}", self.system_logs),
            ("{event_store}", self.event_store),
        ]
    }
}

/// The schemas, tables and existing indexes, for an empty database. Uses the extension `pg_trgm` where it can be had.
#[must_use]
pub fn schema_sql() -> &'static str {
    concat!(include_str!("sample/tables.sql"), "\n", include_str!("sample/keys.sql"))
}

/// The rows for that schema, the same at each run but for their ages, which are relative to `now()`; then `ANALYZE`.
/// [`statements`] load more than some thousand rows sooner.
#[must_use]
pub fn rows_sql(scale: Scale) -> String {
    format!("{}\n{ANALYZE}\n", rows(scale))
}

/// Schema and rows as single statements in the order that loads fastest, for an empty database and any driver.
#[must_use]
pub fn statements(scale: Scale) -> Vec<String> {
    let sql = [TABLES, &rows(scale), KEYS, ANALYZE].join("\n\n");
    let is_comment = |line: &str| line.is_empty() || line.starts_with("--");
    let statements = sql.split("\n\n").filter(|part| !part.lines().all(is_comment));
    statements.map(|part| part.trim().to_owned()).collect()
}

fn rows(scale: Scale) -> String {
    scale.numbers().iter().fold(ROWS.to_owned(), |sql, (name, number)| sql.replace(name, &number.to_string()))
}
