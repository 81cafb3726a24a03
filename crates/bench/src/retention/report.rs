//! The figures of one part of expired rows, and the budgets that they are held to. Printing them for people is left to
//! `table`.

use serde_json::{Value, json};

use super::{contender::Contender, samples::Samples};
use crate::figure::{self, Figure, Unit};

/// In the time of one DELETE of the same rows.
const TIMES_ONE_DELETE: f64 = 1.3;

/// In milliseconds.
const LONGEST_TRANSACTION: f64 = 200.0;

/// What one part took.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rows: u32,
    pub(crate) expired: u64,
    pub(crate) percent: u32,
    pub(crate) shuffled: bool,
    /// Of the table without its indexes.
    pub(crate) bytes: u64,
    /// PostgreSQL's version.
    pub(crate) server: String,
    pub(crate) runs: u32,
    pub(crate) samples: Samples,
}

impl Report {
    /// Rows per second by the median of the times.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^32 rows")]
    pub(crate) fn rate(&self, contender: Contender) -> f64 {
        self.expired as f64 / self.samples.wall(contender).median * 1e3
    }

    /// The figures that stand for all the others.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        use Contender::{Archive, Loop, Retain};
        use Unit::{Megabytes, Milliseconds, Times};
        let ratio = |contender| self.samples.ratio(contender).map_or(f64::NAN, |ratio| ratio.median);
        let longest = |contender| self.samples.longest(contender).max;
        vec![
            Figure::new("retain / one DELETE", "retain_to_delete", Times, ratio(Retain)).within(TIMES_ONE_DELETE),
            Figure::new("the loop / one DELETE", "loop_to_delete", Times, ratio(Loop)),
            Figure::new("archive / DELETE with INSERT", "archive_to_move", Times, ratio(Archive)),
            Figure::new("longest transaction, retain", "longest_retain", Milliseconds, longest(Retain))
                .within(LONGEST_TRANSACTION),
            Figure::new("longest transaction, archive", "longest_archive", Milliseconds, longest(Archive))
                .within(LONGEST_TRANSACTION),
            Figure::new("peak memory, retain", "peak_retain", Megabytes, self.samples.peak(Retain).max),
        ]
    }

    fn json(&self) -> Value {
        let samples = &self.samples;
        let contenders = Contender::ALL.map(|contender| {
            let value = json!({
                "rows_per_second": (contender != Contender::Nobody).then(|| self.rate(contender)),
                "wall_ms": samples.wall(contender),
                "to_baseline": samples.ratio(contender),
                "transactions": samples.transactions(contender),
                "longest_transaction_ms": samples.longest(contender),
                "client_ms": samples.latency(contender),
                "peak_mb": samples.peak(contender),
            });
            (contender.key().to_owned(), value)
        });
        json!({
            "rows": self.rows,
            "expired": self.expired,
            "percent": self.percent,
            "shuffled": self.shuffled,
            "table_bytes": self.bytes,
            "server": self.server,
            "fsync": true,
            "runs": self.runs,
            "contenders": Value::Object(contenders.into_iter().collect()),
            "figures": figure::json(&self.figures()),
        })
    }
}

/// All parts as one document.
pub(crate) fn json(reports: &[Report]) -> String {
    let reports: Vec<_> = reports.iter().map(Report::json).collect();
    format!("{:#}\n", Value::Array(reports))
}
