//! The proof that a transaction did what it says: exactly the chosen rows have gone, and each is in one place. It is
//! made where triggers of the user's run, by the server's own counts of what the transaction did to each table
//! (docs/pitfalls.md, "A trigger may keep, move or double a row"). Without them, a statement's counts are the truth.

use std::collections::BTreeSet;

use super::{
    catalog::Table,
    hooks::{Event, Located},
    preflight::Refused,
    rule_tables::RuleTables,
};
use crate::postgres::{name::QualifiedName, sql::Sql};

/// What is looked at in each transaction of a run.
#[derive(Clone, Debug)]
pub struct Proof {
    source: Vec<QualifiedName>,
    children: Vec<QualifiedName>,
    target: Vec<QualifiedName>,
    suspects: BTreeSet<Located>,
}

/// Rows, counted for the tables that rows go from, for those of children, and for those that rows come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// From the rule's table.
    pub source: Flow,
    /// From its children.
    pub children: Flow,
    /// To the archive.
    pub target: Flow,
}

/// Rows that came to tables and rows that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Inserted.
    pub inserted: i64,
    /// Deleted.
    pub deleted: i64,
}

impl Tally {
    /// What came after an earlier one.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            source: self.source.since(before.source),
            children: self.children.since(before.children),
            target: self.target.since(before.target),
        }
    }
}

impl Flow {
    fn since(self, before: Self) -> Self {
        Self { inserted: self.inserted - before.inserted, deleted: self.deleted - before.deleted }
    }
}

impl Proof {
    /// The proof of a run; `None`: nothing of the user's runs when its rows go.
    #[must_use]
    pub fn of_run(tables: &RuleTables) -> Option<Self> {
        let children: Vec<_> = tables.children.iter().map(|(child, _)| child).collect();
        Self::new(&tables.table, &children, tables.archive.as_ref())
    }

    /// The proof of a restore; `None`: nothing of the user's runs when rows come back.
    #[must_use]
    pub fn of_restore(archive: &Table, table: &Table) -> Option<Self> {
        Self::new(archive, &[], Some(table))
    }

    fn new(source: &Table, children: &[&Table], target: Option<&Table>) -> Option<Self> {
        let going = std::iter::once(source).chain(children.iter().copied()).map(|table| table.triggers(Event::Delete));
        let coming = target.into_iter().map(|table| table.triggers(Event::Insert));
        let suspects: BTreeSet<_> = going.chain(coming).flatten().collect();
        let leaves = |table: &Table| table.leaves().map(|part| part.name.clone()).collect::<Vec<_>>();
        (!suspects.is_empty()).then(|| Self {
            source: leaves(source),
            children: children.iter().flat_map(|child| leaves(child)).collect(),
            target: target.map(leaves).unwrap_or_default(),
            suspects,
        })
    }

    /// The triggers that run.
    #[must_use]
    pub fn suspects(&self) -> &BTreeSet<Located> {
        &self.suspects
    }

    /// Asks what the connection has done to the tables so far; the difference of two answers is a [`Tally`]. Gives
    /// inserted and deleted rows of source, children and target, and whether the server counts at all.
    #[must_use]
    pub fn query(&self) -> Sql {
        let regclass = |sql: Sql, name: &QualifiedName| sql.literal(&name.quoted()).raw("::regclass");
        let group = |sql: Sql, tables: &Vec<QualifiedName>| {
            let tables = Sql::new("ARRAY[").list(tables, ", ", regclass).raw("]::oid[]");
            sql.raw_sql(&flow(&tables))
        };
        Sql::new("SELECT ")
            .list([&self.source, &self.children, &self.target], ", ", group)
            .raw(", current_setting('track_counts')::bool")
    }

    /// Holds what a transaction did to the tables against what its statements say: rows gone, and those of children.
    ///
    /// # Errors
    /// They differ, so that a row is kept, is in two places, or went unseen.
    pub fn check(&self, done: Tally, gone: u64, children: u64) -> Result<(), Refused> {
        let [gone, children] = [gone, children].map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        let kept = if self.target.is_empty() { 0 } else { gone };
        let what = [
            (done.source.deleted - gone, "rows went from the table that the run did not choose", "rows did not go"),
            (done.children.deleted - children, "rows of children went unseen", "rows of children did not go"),
            (done.source.inserted, "rows came back to the table", ""),
            (done.children.inserted, "rows came back to children", ""),
            (
                done.target.inserted - kept,
                "rows came to the archive twice or from elsewhere",
                "rows did not come to the archive",
            ),
            (done.target.deleted, "rows went from where they had come to", ""),
        ];
        match what.into_iter().find(|(difference, ..)| *difference != 0) {
            None => Ok(()),
            Some((more, above, _)) if more > 0 => Err(self.refused(&format!("{more} {above}"))),
            Some((fewer, _, below)) => Err(self.refused(&format!("{} {below}", fewer.unsigned_abs()))),
        }
    }

    /// Why a batch is taken back of which fewer rows went than were chosen.
    #[must_use]
    pub fn stayed(&self, chosen: u64, gone: u64, table: &str) -> Refused {
        self.refused(&format!("{} of {chosen} chosen rows of {table} did not go", chosen.saturating_sub(gone)))
    }

    /// Why a batch is taken back whose server does not count.
    #[must_use]
    pub fn uncounted(&self) -> Refused {
        Refused::new(
            format!("`track_counts` is off, and {} runs: what becomes of rows cannot be proven", self.names()),
            "switch `track_counts` on for the role of the run",
        )
    }

    /// Why a run is not believed during which a trigger was made.
    #[must_use]
    pub fn came_late(&self) -> Refused {
        Refused::new(
            format!("{} was made during the run: what it kept or put back is not counted", self.names()),
            "run it again: it then proves each batch",
        )
    }

    fn refused(&self, what: &str) -> Refused {
        Refused::new(
            format!("{what}; the batch is taken back. Suspected: {}", self.names()),
            "let the trigger pass these rows, or leave them out by the rule's `where`",
        )
    }

    fn names(&self) -> String {
        self.suspects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Rows inserted into tables and deleted from them by this connection, as two numbers of a SELECT list.
#[must_use]
pub(super) fn flow(tables: &Sql) -> Sql {
    let sum = |function: &'static str| {
        let sql = Sql::new("(SELECT coalesce(sum(").raw(function).raw("(t)), 0)::int8 FROM unnest(");
        sql.raw_sql(tables).raw(") t)")
    };
    sum("pg_stat_get_xact_tuples_inserted").raw(", ").raw_sql(&sum("pg_stat_get_xact_tuples_deleted"))
}
