//! Finds rows that keep a unique index from being built.

use std::fmt;

use reconcile_core::{
    kinds::index::Index,
    postgres::{name::Ident, sql::Sql},
};
use sea_orm::sqlx::Row as _;

use crate::{LiveError, Session, settings};

/// The time limit of the sample: a big table is not read to its end for it.
const PATIENCE: &str = "SET LOCAL statement_timeout = '10s'";

/// A key that several rows share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    names: Vec<String>,
    values: Vec<Option<String>>,
    /// The number of these rows.
    pub rows: i64,
}

/// Some of the keys that several rows share, the most frequent first.
///
/// # Errors
/// The role may not read the table, it takes longer than ten seconds, or the connection fails.
pub async fn sample(session: &mut Session, index: &Index, search_path: &[Ident]) -> Result<Vec<Duplicate>, LiveError> {
    let path = Sql::new("SET LOCAL search_path = ").search_path(search_path);
    let (local, query) = (settings::local(), index.duplicates());
    let results = session.batch(&format!("BEGIN READ ONLY; {local}{path}; {PATIENCE}; {query}; COMMIT")).await?;
    let names = index.key_names();
    let read = |row| -> Result<Duplicate, LiveError> {
        let row: &sea_orm::sqlx::postgres::PgRow = row;
        let values: String = row.try_get(0)?;
        Ok(Duplicate {
            names: names.clone(),
            values: serde_json::from_str(&values).map_err(|error| LiveError::Protocol(error.to_string()))?,
            rows: row.try_get(1)?,
        })
    };
    results.iter().flatten().map(read).collect()
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
        write!(f, "({}) = ({}) in {} rows", self.names.join(", "), values.join(", "), self.rows)
    }
}
