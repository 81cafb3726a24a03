//! Who takes the expired rows away: each by its name, and the command that it is.

use std::path::Path;
use std::process::Command;

use super::{ground::cut_off, psql};
use crate::programs::{Programs, command};

/// Rows that a turn of the loop takes, as in a rule's batch that people write.
const LOOP_ROWS: u64 = 5000;

/// A process that every round runs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    /// No process at all: how the client fares alone.
    Nobody,
    /// All rows in one statement.
    Delete,
    /// `DELETE … LIMIT` until there are no more, as everybody writes it.
    Loop,
    /// The product.
    Retain,
    /// All rows into another table in one statement.
    Move,
    /// The product, archiving to a table.
    Archive,
}

impl Contender {
    /// In the order of a round: what is compared stands side by side.
    pub(crate) const ALL: [Self; 6] = [Self::Nobody, Self::Loop, Self::Delete, Self::Retain, Self::Archive, Self::Move];

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Delete => "one DELETE",
            Self::Loop => "DELETE ... LIMIT 5000, a loop",
            Self::Retain => "reconcile retain",
            Self::Move => "one DELETE with INSERT",
            Self::Archive => "reconcile retain, archive",
        }
    }

    /// For programs.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Delete => "one_delete",
            Self::Loop => "limit_loop",
            Self::Retain => "retain",
            Self::Move => "one_move",
            Self::Archive => "retain_archive",
        }
    }

    /// What it is compared with, if it does the same.
    pub(crate) fn baseline(self) -> Option<Self> {
        match self {
            Self::Nobody => None,
            Self::Delete | Self::Loop | Self::Retain => Some(Self::Delete),
            Self::Move | Self::Archive => Some(Self::Move),
        }
    }

    pub(crate) fn is_product(self) -> bool {
        matches!(self, Self::Retain | Self::Archive)
    }

    /// Whether the rows are in `event_archive` afterwards.
    pub(crate) fn archives(self) -> bool {
        matches!(self, Self::Move | Self::Archive)
    }

    /// The rule, with the defaults of the product but for VACUUM: nobody else here does any.
    pub(crate) fn rule(self, percent: u32) -> String {
        let days = 100 - percent;
        let action = if self.archives() { ", action: archive, archive_to: event_archive" } else { "" };
        format!("retention:\n  event: {{ column: created_at, retain_for: {days} days, vacuum: false{action} }}\n")
    }

    pub(crate) fn command(self, programs: &Programs, url: &str, project: &Path, percent: u32, expired: u64) -> Command {
        let old = format!("created_at < {}", cut_off(percent));
        match self {
            Self::Nobody => {
                let mut nobody = Command::new("sleep");
                nobody.arg("2");
                nobody
            }
            Self::Delete => statements(programs, url, [format!("DELETE FROM event WHERE {old}")]),
            Self::Loop => {
                let batch =
                    format!("DELETE FROM event WHERE ctid IN (SELECT ctid FROM event WHERE {old} LIMIT {LOOP_ROWS})");
                // The last one finds nothing, which ends a loop.
                let turns = expired.div_ceil(LOOP_ROWS) + 1;
                statements(programs, url, (0..turns).map(|_| batch.clone()))
            }
            Self::Move => statements(
                programs,
                url,
                [format!(
                    "WITH gone AS (DELETE FROM event WHERE {old} RETURNING *) INSERT INTO event_archive SELECT * FROM gone"
                )],
            ),
            Self::Retain | Self::Archive => {
                let mut retain = command(&programs.reconcile);
                retain.args(["retain", "--database-url", url, "-C"]).arg(project);
                retain
            }
        }
    }
}

/// Each in a transaction of its own, on one connection.
fn statements(programs: &Programs, url: &str, statements: impl IntoIterator<Item = String>) -> Command {
    let mut psql = psql(programs, url);
    for statement in statements {
        psql.args(["-c", &statement]);
    }
    psql
}
