//! What shows that a batch did what it was asked to, where somebody's trigger has a hand in it: the rows that were chosen
//! have gone, no other rows have, and each came to its archive once. What the statements return is not enough: a trigger
//! may write rows that no statement of ours returns. The server counts what a transaction does to a table
//! (manual, "Cumulative Statistics System"), whoever does it.

use super::{
    catalog::{Part, Reaction, Table},
    preflight::Refused,
};
use crate::postgres::{
    name::QualifiedName,
    rows::{DecodeError, Row},
    sql::Sql,
};

/// What is looked at around the batches on one table.
#[derive(Clone, Debug)]
pub struct Proof {
    table: QualifiedName,
    /// Where rows go from.
    sources: Vec<QualifiedName>,
    /// Where they are moved to.
    targets: Vec<QualifiedName>,
    /// `the trigger x of y`, for each that may have a hand in it.
    suspects: Vec<String>,
}

/// What the present transaction, and what the session has not reported yet, did to the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows deleted from the source.
    pub deleted: i64,
    /// Rows that came to the source.
    pub returned: i64,
    /// Rows that came to the archive.
    pub arrived: i64,
    /// Rows of the archive that were deleted or updated.
    pub disturbed: i64,
}

impl Proof {
    /// `None`: no trigger has a hand in it, so that the statements tell the truth.
    #[must_use]
    pub fn of(table: &Table, archive: Option<&Table>) -> Option<Self> {
        let leaving =
            table.leaves().flat_map(|part| suspects(part, |reaction| reaction.on_delete || reaction.on_insert));
        let parts = archive.into_iter().flat_map(|archive| &archive.parts);
        let arriving = parts.flat_map(|part| suspects(part, |reaction| reaction.on_insert));
        let suspects: Vec<_> = leaving.chain(arriving).collect();
        let names = |table: &Table| table.leaves().map(|part| part.name.clone()).collect();
        (!suspects.is_empty()).then(|| Self {
            table: table.name.clone(),
            sources: names(table),
            targets: archive.map(names).unwrap_or_default(),
            suspects,
        })
    }

    /// The query for the counters, a row of four.
    #[must_use]
    pub fn counters(&self) -> Sql {
        let sum = |sql: Sql, counter: &'static str, tables: &[QualifiedName]| {
            sql.raw("(SELECT coalesce(sum(")
                .raw(counter)
                .raw("(t::regclass)), 0)::int8 FROM unnest(ARRAY[")
                .list(tables, ", ", |sql, name| sql.literal(&name.quoted()))
                .raw("]::text[]) t)")
        };
        let sql = sum(Sql::new("SELECT "), "pg_stat_get_xact_tuples_deleted", &self.sources).raw(", ");
        let sql = sum(sql, "pg_stat_get_xact_tuples_inserted", &self.sources).raw(", ");
        let sql = sum(sql, "pg_stat_get_xact_tuples_inserted", &self.targets).raw(", ");
        let sql = sum(sql, "pg_stat_get_xact_tuples_deleted", &self.targets).raw(" + ");
        sum(sql, "pg_stat_get_xact_tuples_updated", &self.targets)
    }

    /// Holds what happened between two looks at the counters against what a batch says: `found` rows chosen, and `gone`.
    ///
    /// # Errors
    /// Something else happened.
    pub fn check(&self, before: Counters, after: Counters, found: u64, gone: u64) -> Result<(), Refused> {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let moved = if self.targets.is_empty() { 0 } else { count(gone) };
        let deleted = after.deleted - before.deleted;
        let table = &self.table;
        let message = if gone < found {
            format!("{found} rows of {table} were chosen and {gone} of them went")
        } else if deleted != count(gone) {
            format!("{gone} rows of {table} were chosen, and the server counts {deleted} deleted ones")
        } else if after.returned != before.returned {
            format!("{} rows came to {table} while {gone} of it were deleted", after.returned - before.returned)
        } else if after.arrived - before.arrived != moved {
            format!("{gone} rows of {table} were moved, and {} came to its archive", after.arrived - before.arrived)
        } else if after.disturbed != before.disturbed {
            format!("rows that its archive had were changed or deleted while rows of {table} were moved there")
        } else {
            return Ok(());
        };
        Err(self.taken_back(&message))
    }

    /// Why a batch is taken back, with who may have had a hand in it.
    #[must_use]
    pub fn taken_back(&self, message: &str) -> Refused {
        let hint = format!(
            "what runs with it: {}; let the rule's `where` leave out the rows that are to stay, or change that",
            self.suspects.join(", ")
        );
        Refused::new(format!("{message}; the batch is taken back"), hint)
    }
}

impl Counters {
    /// Reads the row of [`Proof::counters`].
    ///
    /// # Errors
    /// It is not such a row.
    pub fn read(row: &Row<'_>) -> Result<Self, DecodeError> {
        Ok(Self { deleted: row.get(0)?, returned: row.get(1)?, arrived: row.get(2)?, disturbed: row.get(3)? })
    }
}

fn suspects(part: &Part, counts: impl Fn(&Reaction) -> bool) -> impl Iterator<Item = String> {
    let named = move |reaction: &Reaction| format!("the {} {} of {}", reaction.word(), reaction.name, part.name);
    part.reactions.iter().filter(move |reaction| counts(reaction)).map(named).collect::<Vec<_>>().into_iter()
}
