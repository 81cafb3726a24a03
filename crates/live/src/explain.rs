//! Runs a query under EXPLAIN ANALYZE, to see how it reads its table and how long it takes.

use sea_orm::sqlx::Row as _;

use crate::{LiveError, Session};

/// What the server did for a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The line of the plan that reads a table, without costs, such as `Index Scan using … on …`.
    pub scan: String,
    /// Execution time.
    pub milliseconds: f64,
}

/// Executes a query and reports how the server did it. The transaction is rolled back.
///
/// # Errors
/// The server refuses the query, or the connection fails.
pub async fn analyze(session: &mut Session, query: &'static str) -> Result<Evidence, LiveError> {
    let sql = format!("BEGIN READ ONLY; EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF) {query}; ROLLBACK");
    let results = session.batch(&sql).await?;
    let lines: Result<Vec<String>, _> = results.iter().flatten().map(|row| row.try_get(0)).collect();
    let lines = lines?;
    let clean = |line: &String| {
        let line = line.trim().trim_start_matches("-> ").trim();
        line.split(" (actual").next().unwrap_or(line).to_owned()
    };
    let scan = lines.iter().map(clean).find(|line| line.contains(" Scan") && !line.starts_with("Bitmap Heap"));
    let time = lines.iter().find_map(|line| line.trim().strip_prefix("Execution Time: ")?.strip_suffix(" ms"));
    Ok(Evidence {
        scan: scan.unwrap_or_default(),
        milliseconds: time.and_then(|time| time.parse().ok()).unwrap_or_default(),
    })
}
