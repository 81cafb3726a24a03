//! Reads from the server's log how long transactions took, seen from the server: exactly, and at no one's cost.
//!
//! The log has a line for each message of a client (`log_duration`), written when the message has been carried out: its
//! end by the clock, how long it took, and the virtual transaction that is open then. A transaction takes from the start
//! of the first message behind a closed one to the end of the message that closes it; what the client does in between
//! counts. Ends are known to the millisecond, so is the sum.

use std::collections::BTreeMap;
use std::time::Duration;

/// `log_line_prefix`: the seconds since 1970, the process, its virtual transaction.
pub(crate) const PREFIX: &str = "%n|%p|%v|";

/// What the transactions of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Transactions {
    pub(crate) count: u32,
    pub(crate) longest: Duration,
}

/// One message of a client.
struct Message<'a> {
    process: &'a str,
    /// Seconds since 1970.
    began: f64,
    ended: f64,
    /// Whether a transaction is open at its end.
    open: bool,
}

/// Reads a part of a log. Lines that say something else are passed over.
pub(crate) fn read(log: &str) -> Transactions {
    let mut open: BTreeMap<&str, f64> = BTreeMap::new();
    let mut all = Transactions::default();
    for message in log.lines().filter_map(message) {
        let began = *open.entry(message.process).or_insert(message.began);
        if !message.open {
            open.remove(message.process);
            all.count += 1;
            all.longest = all.longest.max(Duration::from_secs_f64((message.ended - began).max(0.0)));
        }
    }
    all
}

/// `1718000000.123|4711|3/42|LOG:  duration: 1.234 ms`
fn message(line: &str) -> Option<Message<'_>> {
    let (ended, line) = line.split_once('|')?;
    let (process, line) = line.split_once('|')?;
    let (transaction, line) = line.split_once('|')?;
    let took = line.strip_prefix("LOG:  duration: ")?.strip_suffix(" ms")?;
    let (ended, took): (f64, f64) = (ended.parse().ok()?, took.parse().ok()?);
    Some(Message { process, began: ended - took / 1e3, ended, open: !transaction.ends_with("/0") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_reaches_from_its_first_message_to_its_last() {
        let log = "\
100.500|7|3/1|LOG:  duration: 200.000 ms
100.510|8|4/0|LOG:  duration: 1.000 ms
100.600|7|3/0|LOG:  duration: 10.000 ms
100.700|7|3/0|LOG:  duration: 250.000 ms
100.700|7|3/0|LOG:  checkpoint starting
	a line that goes on
";
        let all = read(log);
        assert_eq!((all.count, all.longest.as_millis()), (3, 300));
    }
}
