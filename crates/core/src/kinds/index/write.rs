//! Writes an index as SQL: the statement that creates it, and the same on several lines for people to compare.

use super::{Definition, Index, Key, Nulls, Term};
use crate::{
    kind::Describe,
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};

/// How an index is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildMode {
    /// While others write, outside any transaction.
    Concurrently,
    /// On a partitioned table alone, without its partitions. It adds an entry to the catalogs and builds nothing.
    OnlyParent,
    /// While writers are blocked. This is for temporary tables, which no one else writes to.
    Plain,
}

impl Index {
    /// The statement that builds it.
    #[must_use]
    pub fn create(&self, mode: BuildMode) -> Sql {
        self.create_on(&self.name, &self.table, mode)
    }

    /// The statement that builds it under another name, or on another relation, such as a partition.
    #[must_use]
    pub fn create_on(&self, name: &Ident, table: &QualifiedName, mode: BuildMode) -> Sql {
        let mut sql = Sql::new(if self.definition.unique { "CREATE UNIQUE INDEX " } else { "CREATE INDEX " });
        if mode == BuildMode::Concurrently {
            sql = sql.raw("CONCURRENTLY ");
        }
        sql = sql.ident(name).raw(" ON ");
        if mode == BuildMode::OnlyParent {
            sql = sql.raw("ONLY ");
        }
        sql = self.definition.write(sql.name(table));
        if let Some(with) = self.with.as_ref().filter(|with| !with.is_empty()) {
            sql = sql.raw(" WITH ").parameters(with);
        }
        if let Some(tablespace) = &self.tablespace {
            sql = sql.raw(" TABLESPACE ").ident(tablespace);
        }
        self.definition.write_predicate(sql)
    }

    /// The statement that drops it while others read and write.
    #[must_use]
    pub fn drop_concurrently(&self) -> Sql {
        Sql::new("DROP INDEX CONCURRENTLY ").name(&self.relation())
    }

    /// The statement that sets or removes its comment.
    #[must_use]
    pub fn comment_on(&self, name: &Ident, comment: &str) -> Sql {
        let sql = Sql::new("COMMENT ON INDEX ").name(&self.table.sibling(name.clone())).raw(" IS ");
        if comment.is_empty() { sql.raw("NULL") } else { sql.literal(comment) }
    }
}

impl Describe for Index {
    fn lines(&self) -> String {
        let definition = &self.definition;
        let mut text = String::from(if definition.unique { "CREATE UNIQUE INDEX " } else { "CREATE INDEX " });
        text.push_str(&self.name.quoted());
        text.push_str(&format!("\n  ON {} USING {}\n", self.table.quoted(), definition.method.quoted()));
        for (position, key) in definition.columns.iter().enumerate() {
            let bracket = if position == 0 { "(" } else { " " };
            let end = if position + 1 == definition.columns.len() { ")" } else { "," };
            text.push_str(&format!("  {bracket}{}{end}\n", key.write(Sql::default())));
        }
        if !definition.include.is_empty() {
            let include = Sql::default().list(&definition.include, ", ", Sql::ident);
            text.push_str(&format!("  INCLUDE ({include})\n"));
        }
        if definition.nulls_not_distinct {
            text.push_str("  NULLS NOT DISTINCT\n");
        }
        if let Some(with) = self.with.as_ref().filter(|with| !with.is_empty()) {
            text.push_str(&format!("  WITH {}\n", Sql::default().parameters(with)));
        }
        if let Some(tablespace) = &self.tablespace {
            text.push_str(&format!("  TABLESPACE {}\n", tablespace.quoted()));
        }
        if let Some(predicate) = &definition.predicate {
            text.push_str(&format!("  WHERE {predicate}\n"));
        }
        if let Some(comment) = self.comment.as_ref().filter(|comment| !comment.is_empty()) {
            text.push_str(&format!("  COMMENT {}\n", Sql::default().literal(comment)));
        }
        text
    }

    fn over(mut self, before: &Self) -> Self {
        self.with = self.with.or_else(|| before.with.clone());
        self.comment = self.comment.or_else(|| before.comment.clone());
        self.tablespace = self.tablespace.or_else(|| before.tablespace.clone());
        self
    }
}

impl Definition {
    fn write(&self, sql: Sql) -> Sql {
        let mut sql = sql
            .raw(" USING ")
            .ident(&self.method)
            .raw(" (")
            .list(&self.columns, ", ", |sql, key| key.write(sql))
            .raw(")");
        if !self.include.is_empty() {
            sql = sql.raw(" INCLUDE (").list(&self.include, ", ", Sql::ident).raw(")");
        }
        if self.nulls_not_distinct {
            sql = sql.raw(" NULLS NOT DISTINCT");
        }
        sql
    }

    fn write_predicate(&self, sql: Sql) -> Sql {
        match &self.predicate {
            Some(predicate) => sql.raw(" WHERE ").parenthesised(predicate),
            None => sql,
        }
    }
}

impl Key {
    fn write(&self, sql: Sql) -> Sql {
        let mut sql = match &self.term {
            Term::Column(column) => sql.ident(column),
            Term::Expression(expression) => sql.parenthesised(expression),
        };
        if let Some(collation) = &self.collation {
            sql = sql.raw(" COLLATE ").path_name(collation);
        }
        if let Some(opclass) = &self.opclass {
            sql = sql.raw(" ").path_name(opclass);
            if !self.opclass_parameters.is_empty() {
                sql = sql.raw(" ").parameters(&self.opclass_parameters);
            }
        }
        if self.order != super::Order::Asc {
            sql = sql.raw(" DESC");
        }
        match (self.nulls, self.nulls == self.order.default_nulls()) {
            (_, true) => sql,
            (Nulls::First, false) => sql.raw(" NULLS FIRST"),
            (Nulls::Last, false) => sql.raw(" NULLS LAST"),
        }
    }
}

impl Sql {
    fn path_name(self, name: &super::PathName) -> Self {
        match &name.schema {
            Some(schema) => self.ident(schema).raw(".").ident(&name.name),
            None => self.ident(&name.name),
        }
    }
}
