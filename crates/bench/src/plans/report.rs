//! The figures of one size, and the budgets that they are held to. Printing them for people is left to `table`.

use serde_json::{Value, json};

use super::{
    subject::{Samples, Subject},
    workload::INDEXES_PER_TABLE,
};
use crate::{
    figure::{self, Figure, Unit},
    measure::Usage,
};

/// A no-change plan, in bulk reads by `psql`.
const TIMES_BULK_READ: f64 = 1.5;

/// Peak memory of a no-change plan, in megabytes.
const PEAK: f64 = 150.0;

/// Round trips of a no-change plan, one after the other.
const ROUND_TRIPS: f64 = 4.0;

/// A plan of 20 tables in a large database, in milliseconds.
const FEW_TABLES: f64 = 100.0;

/// `--version`, in milliseconds.
const START_UP: f64 = 10.0;

/// What one size took.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tables: u32,
    /// PostgreSQL's version.
    pub(crate) server: String,
    /// Rounds that count.
    pub(crate) runs: u32,
    /// The run that adopted all indexes.
    pub(crate) first_apply: Usage,
    pub(crate) samples: Samples,
}

impl Report {
    /// Indexes that the project declares.
    pub(crate) fn indexes(&self) -> u32 {
        self.tables * INDEXES_PER_TABLE
    }

    /// The figures that stand for all the others.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        use Subject::{BulkRead, CatalogQueries, FewTables, NoChange, TenChanges, Version};
        use Unit::{Count, Megabytes, Milliseconds, Times};
        let samples = &self.samples;
        let (wall, peak) = (|subject| samples.wall(subject).median, |subject| samples.peak(subject).max);
        let ratio = |subject, baseline| samples.ratio(subject, baseline).median;
        let trips = |subject| samples.round_trips(subject).map_or(f64::NAN, f64::from);
        vec![
            Figure::new("nothing changed / bulk read", "no_change_to_bulk_read", Times, ratio(NoChange, BulkRead))
                .within(TIMES_BULK_READ),
            Figure::new("10 changes / bulk read", "changes_to_bulk_read", Times, ratio(TenChanges, BulkRead)),
            Figure::new(
                "nothing changed / catalog.sql",
                "no_change_to_catalog",
                Times,
                ratio(NoChange, CatalogQueries),
            ),
            Figure::new("peak memory, nothing changed", "peak_no_change", Megabytes, peak(NoChange)).within(PEAK),
            Figure::new("peak memory, 10 changes", "peak_changes", Megabytes, peak(TenChanges)),
            Figure::new("round trips, nothing changed", "trips_no_change", Count, trips(NoChange)).within(ROUND_TRIPS),
            Figure::new("round trips, 10 changes", "trips_changes", Count, trips(TenChanges)),
            Figure::new("20 tables of all", "few_tables", Milliseconds, wall(FewTables)).within(FEW_TABLES),
            Figure::new("start-up, --version", "start_up", Milliseconds, wall(Version)).within(START_UP),
        ]
    }

    fn json(&self) -> Value {
        let subjects = Subject::ALL.map(|subject| {
            let samples = &self.samples;
            let value = json!({
                "wall_ms": samples.wall(subject),
                "cpu_ms": samples.cpu(subject),
                "peak_mb": samples.peak(subject),
            });
            (subject.key().to_owned(), value)
        });
        json!({
            "tables": self.tables,
            "indexes": self.indexes(),
            "server": self.server,
            "runs": self.runs,
            "first_apply_ms": self.first_apply.wall.as_secs_f64() * 1e3,
            "processes": Value::Object(subjects.into_iter().collect()),
            "figures": figure::json(&self.figures()),
        })
    }
}

/// All sizes as one document.
pub(crate) fn json(reports: &[Report]) -> String {
    let reports: Vec<_> = reports.iter().map(Report::json).collect();
    format!("{:#}\n", Value::Array(reports))
}
