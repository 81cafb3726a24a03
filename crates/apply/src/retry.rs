//! How often a statement is tried again that did not get its lock, and how long to wait before.

use std::{fmt, time::Duration};

/// The attempts that are left.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    most: u32,
    used: u32,
}

/// One more attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// From 1.
    pub number: u32,
    /// How long to wait before.
    pub pause: Duration,
}

impl Retries {
    /// None is used up yet.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, used: 0 }
    }

    /// The next one. `None`: all are used up.
    pub fn next_retry(&mut self) -> Option<Retry> {
        if self.used == self.most {
            return None;
        }
        self.used += 1;
        Some(Retry { number: self.used, pause: backoff(self.used) })
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first attempt was no retry.
        write!(f, "attempt {} in {} ms", self.number + 1, self.pause.as_millis())
    }
}

/// Twice as long from retry to retry, up to 30 s; half of it by chance, so that two who wait do not meet again.
fn backoff(number: u32) -> Duration {
    let full = 100 * 2_u64.pow(number.min(8)).min(300);
    Duration::from_millis(full / 2 + fastrand::u64(0..=full / 2))
}
