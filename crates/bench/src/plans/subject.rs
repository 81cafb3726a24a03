//! What is measured: each process by its name, and what a round of them took.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::{Spread, Usage};

/// A process that every round runs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// `plan` of a project that declares what is there.
    NoChange,
    /// `psql` reading the same indexes in bulk.
    BulkRead,
    /// `psql` running the product's own queries.
    CatalogQueries,
    /// `plan` of the same project with ten changes.
    TenChanges,
    /// `plan` of a project that declares a few of the tables.
    FewTables,
    /// `--version`.
    Version,
}

impl Subject {
    /// In the order of a round: what is compared stands side by side.
    pub(crate) const ALL: [Self; 6] =
        [Self::TenChanges, Self::BulkRead, Self::NoChange, Self::CatalogQueries, Self::FewTables, Self::Version];

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NoChange => "plan, nothing changed",
            Self::BulkRead => "psql, one bulk read",
            Self::CatalogQueries => "psql, catalog.sql",
            Self::TenChanges => "plan, 10 changes",
            Self::FewTables => "plan, 20 tables",
            Self::Version => "--version",
        }
    }

    /// For programs.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::NoChange => "plan_no_change",
            Self::BulkRead => "psql_bulk_read",
            Self::CatalogQueries => "psql_catalog_sql",
            Self::TenChanges => "plan_10_changes",
            Self::FewTables => "plan_20_tables",
            Self::Version => "version",
        }
    }
}

/// What each process took, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(BTreeMap<Subject, Vec<Usage>>);

impl Samples {
    pub(crate) fn add(&mut self, subject: Subject, usage: Usage) {
        self.0.entry(subject).or_default().push(usage);
    }

    fn of(&self, subject: Subject) -> impl Iterator<Item = &Usage> {
        self.0.get(&subject).into_iter().flatten()
    }

    /// In milliseconds.
    pub(crate) fn wall(&self, subject: Subject) -> Spread {
        Spread::of(self.of(subject).map(|usage| milliseconds(usage.wall)))
    }

    /// In milliseconds.
    pub(crate) fn cpu(&self, subject: Subject) -> Spread {
        Spread::of(self.of(subject).map(|usage| milliseconds(usage.cpu)))
    }

    /// In megabytes of 1,000,000 bytes.
    pub(crate) fn peak(&self, subject: Subject) -> Spread {
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
        Spread::of(self.of(subject).map(|usage| usage.peak as f64 / 1e6))
    }

    /// How many times as long one took as the other, in the same round.
    pub(crate) fn ratio(&self, subject: Subject, baseline: Subject) -> Spread {
        let pairs = self.of(subject).zip(self.of(baseline));
        Spread::of(pairs.map(|(one, other)| one.wall.as_secs_f64() / other.wall.as_secs_f64()))
    }

    /// What `-v` told of the last round, if it told.
    pub(crate) fn round_trips(&self, subject: Subject) -> Option<u32> {
        round_trips(&self.of(subject).last()?.said)
    }
}

/// `N` of a line `N round trips`.
fn round_trips(said: &str) -> Option<u32> {
    said.lines().find_map(|line| line.strip_suffix(" round trips")?.trim().parse().ok())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_found_among_other_lines() {
        assert_eq!(round_trips("adopted 3\n12 round trips\n"), Some(12));
        assert_eq!(round_trips("nothing\n"), None);
    }
}
