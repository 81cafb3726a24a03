//! How large the next batch is: towards the time that a batch should take, never beyond the rows that it may.

use std::time::Duration;

use reconcile_core::kinds::retention::Batch;

/// Rows of the first batch, where more are allowed: how long they take is not known yet.
const FIRST_ROWS: u32 = 1000;

/// Blocks that the first batch looks at.
const FIRST_BLOCKS: u32 = 64;

/// How full a stretch is meant to be, so that few are fuller than a batch may be.
const FILL: f64 = 0.8;

/// A stretch that is at least this part of full tells what the next one holds.
const EVEN: u64 = 4;

/// The size of the next batch.
#[derive(Clone, Debug)]
pub(crate) struct BatchSize {
    most: u32,
    target: Duration,
    /// Rows that it takes at most.
    pub(crate) rows: u32,
    /// Blocks that it looks at.
    pub(crate) blocks: u32,
    even: bool,
}

impl BatchSize {
    pub(crate) fn new(batch: &Batch) -> Self {
        let most = batch.rows.max(1);
        let target = Duration::from_millis(batch.target_ms.max(1));
        Self { most, target, rows: most.min(FIRST_ROWS), blocks: FIRST_BLOCKS, even: false }
    }

    /// Learns from a batch that found `found` rows on `blocks` blocks and took so long.
    pub(crate) fn learn(&mut self, found: u64, blocks: u32, took: Duration) {
        // At most four times as large, so that one quick batch does not lead to a far too slow one.
        let factor = (self.target.as_secs_f64() / took.as_secs_f64().max(0.000_1)).clamp(0.25, 4.0);
        self.even = found * EVEN >= u64::from(self.rows);
        if found >= u64::from(self.rows) {
            // The rows were the limit: what lies behind them need not be looked at twice.
            let rows = scaled(self.rows, factor).clamp(1, self.most);
            self.blocks = scaled(blocks, FILL * f64::from(rows) / f64::from(self.rows)).max(1);
            self.rows = rows;
        } else {
            #[expect(clippy::cast_precision_loss, reason = "rows of a batch are few")]
            let room = FILL * f64::from(self.rows) / found.max(1) as f64;
            let grown = scaled(self.rows, factor).clamp(1, self.most);
            // A stretch that is nearly full grows with the rows that it may hold.
            let wider = room * f64::from(grown) / f64::from(self.rows);
            if self.even {
                self.rows = grown;
            }
            self.blocks = scaled(self.blocks, if self.even { factor.min(wider) } else { factor }).max(1);
        }
    }

    /// Notes that a batch could not take more rows than this.
    pub(crate) fn shrink(&mut self, rows: u32) {
        self.rows = rows.clamp(1, self.most);
    }

    /// Whether the last stretch was about as full as a batch may be, and so the next one is likely to be.
    pub(crate) fn is_even(&self) -> bool {
        self.even
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and the factor is positive"
)]
fn scaled(number: u32, factor: f64) -> u32 {
    (f64::from(number) * factor).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(10);
    const SLOW: Duration = Duration::from_secs(2);

    #[test]
    fn quick_batches_grow_up_to_what_is_allowed() {
        let mut batch_size = BatchSize::new(&Batch { rows: 3000, ..Batch::default() });
        assert_eq!(batch_size.rows, 1000);
        for expected in [3000, 3000] {
            batch_size.learn(u64::from(batch_size.rows), 40, QUICK);
            assert_eq!(batch_size.rows, expected);
        }
        assert_eq!((batch_size.blocks, batch_size.is_even()), (32, true));
    }

    #[test]
    fn slow_batches_shrink_and_never_to_nothing() {
        let mut batch_size = BatchSize::new(&Batch::default());
        for _ in 0..20 {
            batch_size.learn(u64::from(batch_size.rows), 1, SLOW);
        }
        assert_eq!((batch_size.rows, batch_size.blocks), (1, 1));
        batch_size.learn(0, 1, QUICK);
        assert_eq!((batch_size.rows, batch_size.blocks), (1, 4), "an empty stretch leaves the rows alone");
        assert!(!batch_size.is_even());
    }
}
