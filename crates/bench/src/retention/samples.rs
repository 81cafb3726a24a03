//! What the contenders took, round by round.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{contender::Contender, transactions::Transactions};
use crate::measure::{Spread, Usage};

/// One turn of a contender.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) usage: Usage,
    pub(crate) transactions: Transactions,
    /// Of the client beside, one for each of its transactions.
    pub(crate) latencies: Vec<Duration>,
}

/// How long a client's transactions took, of all rounds, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Latency {
    pub(crate) transactions: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(BTreeMap<Contender, Vec<Sample>>);

impl Samples {
    pub(crate) fn add(&mut self, contender: Contender, sample: Sample) {
        self.0.entry(contender).or_default().push(sample);
    }

    fn of(&self, contender: Contender) -> impl Iterator<Item = &Sample> {
        self.0.get(&contender).into_iter().flatten()
    }

    /// In milliseconds, from the start of the process to its end.
    pub(crate) fn wall(&self, contender: Contender) -> Spread {
        Spread::of(self.of(contender).map(|sample| milliseconds(sample.usage.wall)))
    }

    /// How many times as long one took as its baseline, in the same round.
    pub(crate) fn ratio(&self, contender: Contender) -> Option<Spread> {
        let pairs = self.of(contender).zip(self.of(contender.baseline()?));
        Some(Spread::of(pairs.map(|(one, other)| one.usage.wall.as_secs_f64() / other.usage.wall.as_secs_f64())))
    }

    /// The longest transaction of each round, in milliseconds.
    pub(crate) fn longest(&self, contender: Contender) -> Spread {
        Spread::of(self.of(contender).map(|sample| milliseconds(sample.transactions.longest)))
    }

    /// How many transactions a round had.
    pub(crate) fn transactions(&self, contender: Contender) -> Spread {
        Spread::of(self.of(contender).map(|sample| f64::from(sample.transactions.count)))
    }

    /// In megabytes of 1,000,000 bytes; of the process, not of the server.
    pub(crate) fn peak(&self, contender: Contender) -> Spread {
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
        Spread::of(self.of(contender).map(|sample| sample.usage.peak as f64 / 1e6))
    }

    /// None without a client.
    pub(crate) fn latency(&self, contender: Contender) -> Option<Latency> {
        let all = self.of(contender).flat_map(|sample| &sample.latencies);
        Latency::of(all.map(|latency| milliseconds(*latency)).collect())
    }
}

impl Latency {
    fn of(mut all: Vec<f64>) -> Option<Self> {
        all.sort_by(f64::total_cmp);
        // The smallest that so many percent do not exceed.
        let percentile = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { transactions: all.len(), p50: percentile(50)?, p99: percentile(99)?, max: percentile(100)? })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let latency = Latency::of((1..=200).map(f64::from).collect());
        assert_eq!(latency, Some(Latency { transactions: 200, p50: 100.0, p99: 198.0, max: 200.0 }));
        assert_eq!(Latency::of(Vec::new()), None);
    }
}
