//! Finds the rows that prevent a unique index from being built.

use super::{Index, Term};
use crate::postgres::{name::Ident, sql::Sql};

/// The number of keys to show.
const SHOWN: i64 = 5;

impl Index {
    /// The query for keys that more than one row has: each key as a JSON array of texts, and the number of its rows. A NULL
    /// equals nothing unless the index declares it so (manual, CREATE INDEX).
    #[must_use]
    pub fn duplicates(&self) -> Sql {
        let key = |sql: Sql, term: &Term| match term {
            Term::Column(column) => sql.raw("(").ident(column).raw(")"),
            Term::Expression(expression) => sql.parenthesised(expression),
        };
        let terms = || self.definition.columns.iter().map(|key| &key.term);
        let mut sql = Sql::new("SELECT to_json(ARRAY[")
            .list(terms(), ", ", |sql, term| key(sql, term).raw("::text"))
            .raw("])::text, count(*) FROM ")
            .name(&self.table)
            .raw(" WHERE true");
        if let Some(predicate) = &self.definition.predicate {
            sql = sql.raw(" AND ").parenthesised(predicate);
        }
        if !self.definition.nulls_not_distinct {
            for term in terms() {
                sql = key(sql.raw(" AND "), term).raw(" IS NOT NULL");
            }
        }
        sql.raw(" GROUP BY ").list(terms(), ", ", key).raw(" HAVING count(*) > 1 ORDER BY 2 DESC LIMIT ").number(SHOWN)
    }

    /// Its keys as they are declared.
    #[must_use]
    pub fn key_names(&self) -> Vec<String> {
        let name = |term: &Term| match term {
            Term::Column(column) => Ident::to_string(column),
            Term::Expression(expression) => expression.as_str().to_owned(),
        };
        self.definition.columns.iter().map(|key| name(&key.term)).collect()
    }
}
