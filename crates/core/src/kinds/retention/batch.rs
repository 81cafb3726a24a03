//! The statements that move rows, a batch at a time. Each repeats the whole condition where it deletes, since a row may
//! have changed since it was found. When a batch runs, and how large it is, is left to `maintain`.
//!
//! Every name of ours inside a statement starts with `reconcile_`, so that a rule's `where` does not meet it.

use super::{Clock, CutOff, Rule, catalog::Column, lines, range::Range};
use crate::postgres::{
    name::{Ident, QualifiedName},
    sql::Sql,
};

/// How much cheaper than one pass over the heap an index must be by the planner's cost, in hundredths. Batches in its
/// order cost a look ahead each; where it is cheaper by less, a walk along the heap was measured to take no longer, and it
/// reads each block once.
pub const INDEX_ADVANTAGE: u16 = 250;

/// Which rows of the rule's table, or of its archive, a run is about.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    rule: &'a Rule,
    condition: Sql,
    /// What of the condition is left to say where a time before the rows is said.
    rest: Sql,
}

/// How rows of a child point at the rule's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The child.
    pub child: QualifiedName,
    /// Its columns, each with the one that it points at.
    pub columns: Vec<(Ident, Ident)>,
}

/// What becomes of the rows of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// They are deleted.
    Delete,
    /// They are put into another table by the same statement.
    Move {
        /// The table.
        to: &'a QualifiedName,
        /// The columns that both have, and that can be written there.
        columns: &'a [Ident],
    },
    /// They are handed to whoever runs the batch, each as JSON, behind the row of counts. That one goes on with the
    /// first and the last point in time among them, each as text and in microseconds since 1970.
    HandOver {
        /// What of a row is handed over.
        columns: &'a [Column],
    },
}

/// What a batch gives beyond its counts where its rows are handed over. All of a batch's rows are past their time, and
/// so far from the end of what microseconds can tell.
const HANDED_OVER: &str = "reconcile_gone), (SELECT min(reconcile_time)::text FROM reconcile_gone), \
    (SELECT (extract(epoch FROM min(reconcile_time)) * 1000000)::int8 FROM reconcile_gone), \
    (SELECT max(reconcile_time)::text FROM reconcile_gone), \
    (SELECT (extract(epoch FROM max(reconcile_time)) * 1000000)::int8 FROM reconcile_gone), NULL::text \
    UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, reconcile_line FROM reconcile_gone";

/// The end of what a batch gives, up to where its rows came to.
const COUNTS: &str = "(SELECT count(*) FROM reconcile_gone), (SELECT count(*) FROM ";

fn kept(fate: Fate<'_>) -> &'static str {
    match fate {
        Fate::Delete => "reconcile_gone)",
        Fate::Move { .. } => "reconcile_kept)",
        Fate::HandOver { .. } => HANDED_OVER,
    }
}

impl<'a> Selection<'a> {
    /// Rows past their time. NULL, infinite and future times never are; nor where the rule's condition gives NULL.
    #[must_use]
    pub fn expired(rule: &'a Rule, cut_off: &CutOff) -> Self {
        Self::before(rule, cut_off.clock(), &cut_off.literal())
    }

    /// Rows that are past their time as of now, for an estimate.
    #[must_use]
    pub fn expired_now(rule: &'a Rule, clock: Clock) -> Self {
        Self::before(rule, clock, &clock.cut_off(rule))
    }

    /// Rows past a time that the server brings: a parameter or variable of the clock's type.
    #[must_use]
    pub fn before(rule: &'a Rule, clock: Clock, cut_off: &Sql) -> Self {
        let column = Sql::default().ident(&rule.table.name).raw(".").ident(&rule.column);
        let rest = Sql::default().raw_sql(&column).raw(" < ").raw_sql(cut_off);
        // Not `isfinite`: the planner knows nothing of it, and takes a third of the rows for finite.
        let condition = rest.clone().raw(" AND ").raw_sql(&column).raw(" > ").raw_sql(&clock.beginning());
        let [condition, rest] = [condition, rest].map(|sql| match &rule.predicate {
            Some(predicate) => sql.raw(" AND (").parenthesised(predicate).raw(" IS TRUE)"),
            None => sql,
        });
        Self { rule, condition, rest }
    }

    /// Rows from one point in time, up to but without another.
    #[must_use]
    pub fn between(rule: &'a Rule, from: &CutOff, to: &CutOff) -> Self {
        let column = Sql::default().ident(&rule.table.name).raw(".").ident(&rule.column);
        let condition = Sql::default().raw_sql(&column).raw(" >= ").raw_sql(&from.literal());
        let condition = condition.raw(" AND ").raw_sql(&column).raw(" < ").raw_sql(&to.literal());
        Self { rule, rest: condition.clone(), condition }
    }

    /// The next rows of `leaf` within `range`, at most `rows` of them and none that a child still points at. Gives:
    /// rows found, the place of the last of them, rows that went, rows that came to where they are moved to.
    ///
    /// The DELETE locks what it takes. A row that somebody changes at that moment either goes as it is then, or stays.
    #[must_use]
    pub fn batch(
        &self,
        leaf: impl Into<Sql>,
        range: &Range,
        rows: impl Into<Sql>,
        links: &[Link],
        fate: Fate<'_>,
    ) -> Sql {
        let (leaf, unreferenced) = (leaf.into(), self.unreferenced(links));
        let sql = Sql::new("WITH reconcile_batch AS MATERIALIZED (")
            .raw_sql(&self.found(&leaf, range, &rows.into(), &unreferenced))
            .raw("), reconcile_gone AS (DELETE FROM ONLY ")
            .raw_sql(&self.aliased(&leaf))
            .raw(" WHERE ")
            .ident(self.alias())
            .raw(".ctid = ANY (ARRAY(SELECT reconcile_at FROM reconcile_batch)) AND ")
            .raw_sql(&self.condition)
            .raw_sql(&unreferenced);
        self.fated(sql, fate)
            .raw(" SELECT (SELECT count(*) FROM reconcile_batch), ")
            .raw("(SELECT max(reconcile_key)::text FROM reconcile_batch), ")
            .raw(COUNTS)
            .raw(kept(fate))
    }

    /// All rows of a stretch of `leaf`, in less than half the time of a batch: for stretches that are known to hold about
    /// as many rows as a transaction may take; whoever runs it takes back what was too much. Gives the columns of
    /// [`Selection::batch`], or no row where the rows are deleted: then the server's own count of them is the answer,
    /// since to return them only to be counted would take half as long again.
    #[must_use]
    pub fn stretch(&self, leaf: impl Into<Sql>, range: &Range, fate: Fate<'_>) -> Sql {
        let gone = Sql::new("DELETE FROM ONLY ")
            .raw_sql(&self.aliased(&leaf.into()))
            .raw(" WHERE ")
            .raw_sql(&self.within(range));
        match fate {
            Fate::Delete => gone,
            Fate::Move { .. } | Fate::HandOver { .. } => self
                .fated(Sql::new("WITH reconcile_gone AS (").raw_sql(&gone), fate)
                .raw(" SELECT (SELECT count(*) FROM reconcile_gone), NULL::text, ")
                .raw(COUNTS)
                .raw(kept(fate)),
        }
    }

    /// The place right behind the next rows of `leaf` within `range`, so many of them; no row where there are no more.
    #[must_use]
    pub fn behind(&self, leaf: &QualifiedName, range: &Range, rows: u32) -> Sql {
        let key = range.key(self.rule);
        // As text only outside, or the server prints all that it passes over.
        Sql::new("SELECT reconcile_key::text FROM (SELECT ")
            .raw_sql(&key)
            .raw(" AS reconcile_key FROM ONLY ")
            .raw_sql(&self.aliased(&Sql::from(leaf)))
            .raw(" WHERE ")
            .raw_sql(&self.within(range))
            .raw(" ORDER BY ")
            .raw_sql(&key)
            .raw(" LIMIT 1 OFFSET ")
            .number(i64::from(rows))
            .raw(") AS reconcile_batch")
    }

    /// Closes the DELETE with what becomes of its rows.
    fn fated(&self, sql: Sql, fate: Fate<'_>) -> Sql {
        let sql = sql.raw(" RETURNING ");
        match fate {
            Fate::Delete => sql.raw("1)"),
            Fate::Move { to, columns } => sql
                .list(columns, ", ", |sql, column| sql.ident(self.alias()).raw(".").ident(column))
                .raw("), reconcile_kept AS (INSERT INTO ")
                .name(to)
                .raw(" (")
                .list(columns, ", ", Sql::ident)
                .raw(") OVERRIDING SYSTEM VALUE SELECT ")
                .list(columns, ", ", Sql::ident)
                .raw(" FROM reconcile_gone RETURNING 1)"),
            Fate::HandOver { columns } => sql
                .raw_sql(&lines::line(self.alias(), columns))
                .raw(" AS reconcile_line, ")
                .ident(self.alias())
                .raw(".")
                .ident(&self.rule.column)
                .raw(" AS reconcile_time)"),
        }
    }

    /// Locks the next rows of `leaf`, but for those that somebody else has locked. Gives: rows found, the place of the
    /// last, rows locked, and the list of their places.
    #[must_use]
    pub fn lock(&self, leaf: impl Into<Sql>, range: &Range, rows: impl Into<Sql>) -> Sql {
        let leaf = leaf.into();
        Sql::new("WITH reconcile_batch AS MATERIALIZED (")
            .raw_sql(&self.found(&leaf, range, &rows.into(), &Sql::default()))
            .raw("), reconcile_locked AS MATERIALIZED (SELECT ")
            .ident(self.alias())
            .raw(".ctid AS reconcile_at FROM ONLY ")
            .raw_sql(&self.aliased(&leaf))
            .raw(" WHERE ")
            .ident(self.alias())
            .raw(".ctid = ANY (ARRAY(SELECT reconcile_at FROM reconcile_batch)) AND ")
            .raw_sql(&self.condition)
            .raw(" FOR UPDATE SKIP LOCKED) SELECT (SELECT count(*) FROM reconcile_batch), ")
            .raw("(SELECT max(reconcile_key)::text FROM reconcile_batch), (SELECT count(*) FROM reconcile_locked), ")
            .raw("(SELECT coalesce(array_agg(reconcile_at), '{}')::text FROM reconcile_locked)")
    }

    /// Rows of a child, at most `rows`, that point at rows of `leaf` within `range`, which the transaction has locked:
    /// nobody makes one of them young again while its children go. Gives the columns of [`Selection::batch`].
    #[must_use]
    pub fn children(
        &self,
        leaf: impl Into<Sql>,
        range: &Range,
        link: &Link,
        child_leaf: impl Into<Sql>,
        rows: impl Into<Sql>,
    ) -> Sql {
        let child_leaf = child_leaf.into();
        let keys = self.keys(link);
        let points = points_at_parents(link);
        Sql::new("WITH reconcile_parents AS MATERIALIZED (SELECT ")
            .raw_sql(&keys)
            .raw(" FROM ONLY ")
            .raw_sql(&self.aliased(&leaf.into()))
            .raw(" WHERE ")
            .raw_sql(&self.within(range))
            .raw("), reconcile_batch AS MATERIALIZED (SELECT reconcile_child.ctid AS reconcile_at FROM ONLY ")
            .raw_sql(&child_leaf)
            .raw(" AS reconcile_child WHERE ")
            .raw_sql(&points)
            .raw(" LIMIT ")
            .raw_sql(&rows.into())
            .raw("), reconcile_gone AS (DELETE FROM ONLY ")
            .raw_sql(&child_leaf)
            .raw(" AS reconcile_child WHERE reconcile_child.ctid = ANY (ARRAY(SELECT reconcile_at FROM reconcile_batch)) AND ")
            .raw_sql(&points)
            .raw(" RETURNING 1) SELECT (SELECT count(*) FROM reconcile_batch), NULL::text, \
                  (SELECT count(*) FROM reconcile_gone), (SELECT count(*) FROM reconcile_gone)")
    }

    /// How many rows of `table` it is about, with those of its partitions.
    #[must_use]
    pub fn count(&self, table: impl Into<Sql>) -> Sql {
        let sql = Sql::new("SELECT count(*) FROM ").raw_sql(&self.aliased(&table.into())).raw(" WHERE ");
        sql.raw_sql(&self.condition)
    }

    /// How many rows of a child point at them.
    #[must_use]
    pub fn count_children(&self, link: &Link) -> Sql {
        Sql::new("WITH reconcile_parents AS MATERIALIZED (SELECT ")
            .raw_sql(&self.keys(link))
            .raw(" FROM ")
            .raw_sql(&self.aliased(&Sql::from(&self.rule.table)))
            .raw(" WHERE ")
            .raw_sql(&self.condition)
            .raw(") SELECT count(*) FROM ")
            .name(&link.child)
            .raw(" AS reconcile_child WHERE ")
            .raw_sql(&points_at_parents(link))
    }

    /// Asks the planner how many rows of the rule's table, and how wide ones, it expects.
    #[must_use]
    pub fn estimate(&self) -> Sql {
        let sql = Sql::new("EXPLAIN (FORMAT JSON) SELECT * FROM ").raw_sql(&self.aliased(&Sql::from(&self.rule.table)));
        sql.raw(" WHERE ").raw_sql(&self.condition)
    }

    /// Asks the planner how it would find the rows of `leaf`, and how many it expects.
    #[must_use]
    pub fn explain(&self, leaf: impl Into<Sql>) -> Sql {
        Sql::new("EXPLAIN (FORMAT JSON) SELECT ")
            .ident(self.alias())
            .raw(".ctid FROM ONLY ")
            .raw_sql(&self.aliased(&leaf.into()))
            .raw(" WHERE ")
            .raw_sql(&self.condition)
    }

    fn found(&self, leaf: &Sql, range: &Range, rows: &Sql, unreferenced: &Sql) -> Sql {
        let key = range.key(self.rule);
        Sql::new("SELECT ")
            .ident(self.alias())
            .raw(".ctid AS reconcile_at, ")
            .raw_sql(&key)
            .raw(" AS reconcile_key FROM ONLY ")
            .raw_sql(&self.aliased(leaf))
            .raw(" WHERE ")
            .raw_sql(&self.within(range))
            .raw_sql(unreferenced)
            .raw(" ORDER BY ")
            .raw_sql(&key)
            .raw(" LIMIT ")
            .raw_sql(rows)
    }

    /// The condition, and that of a range. Where the range has a time to begin at, no other is said: for the beginning of
    /// all time the planner would look up the least one in the index, past what earlier batches left dead there, which
    /// takes it longer than some batches.
    fn within(&self, range: &Range) -> Sql {
        let condition = match range {
            Range::Order { from: Some(_), .. } => &self.rest,
            Range::Order { from: None, .. }
            | Range::Heap { .. }
            | Range::Places(_)
            | Range::GivenPlaces
            | Range::GivenHeap
            | Range::GivenOrder { .. } => &self.condition,
        };
        condition.clone().raw_sql(&range.condition(self.rule))
    }

    /// Whatever part of it is read, a rule's condition may call the table by its own name.
    fn alias(&self) -> &Ident {
        &self.rule.table.name
    }

    fn aliased(&self, table: &Sql) -> Sql {
        Sql::default().raw_sql(table).raw(" AS ").ident(self.alias())
    }

    fn keys(&self, link: &Link) -> Sql {
        Sql::default().list(&link.columns, ", ", |sql, (_, key)| sql.ident(self.alias()).raw(".").ident(key))
    }

    fn unreferenced(&self, links: &[Link]) -> Sql {
        let same = |sql: Sql, (column, key): &(Ident, Ident)| {
            sql.raw("reconcile_child.").ident(column).raw(" = ").ident(self.alias()).raw(".").ident(key)
        };
        Sql::default().list(links, "", |sql, link| {
            sql.raw(" AND NOT EXISTS (SELECT FROM ")
                .name(&link.child)
                .raw(" AS reconcile_child WHERE ")
                .list(&link.columns, " AND ", same)
                .raw(")")
        })
    }
}

/// That a child's row points at one of the parents that the statement begins with.
fn points_at_parents(link: &Link) -> Sql {
    let child = |sql: Sql, (column, _): &(Ident, Ident)| sql.raw("reconcile_child.").ident(column);
    Sql::new("(").list(&link.columns, ", ", child).raw(") IN (SELECT * FROM reconcile_parents)")
}

/// How many rows a table has.
#[must_use]
pub fn total(table: &QualifiedName) -> Sql {
    Sql::new("SELECT count(*) FROM ").name(table)
}

/// How many blocks of heap a table has by itself.
#[must_use]
pub fn blocks(leaf: &QualifiedName) -> Sql {
    let sql = Sql::new("SELECT pg_relation_size(").literal(&leaf.quoted());
    sql.raw("::regclass) / current_setting('block_size')::int8")
}

/// Gives the room of dead rows back to the tables, and renews their statistics. No transaction can hold it.
#[must_use]
pub fn vacuum<'a>(tables: impl IntoIterator<Item = &'a QualifiedName>) -> Sql {
    Sql::new("VACUUM (ANALYZE) ").list(tables, ", ", Sql::name)
}

#[cfg(test)]
mod tests;
