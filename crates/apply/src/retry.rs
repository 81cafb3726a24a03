//! How often a statement that did not get its lock is tried again, and how long to wait before each attempt.

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
    /// The number of the retry, from 1.
    pub number: u32,
    /// How long to wait before it.
    pub pause: Duration,
}

impl Retries {
    /// All retries are left.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, used: 0 }
    }

    /// The next retry. `None` if none is left.
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
        // The first attempt was not a retry.
        write!(f, "attempt {} in {} ms", self.number + 1, self.pause.as_millis())
    }
}

/// The pause before a retry. It doubles from retry to retry, up to 30 s. Half of it is random, so that two waiting
/// sessions do not collide again.
fn backoff(number: u32) -> Duration {
    let full = 100 * 2_u64.pow(number.min(8)).min(300);
    Duration::from_millis(full / 2 + fastrand::u64(0..=full / 2))
}
