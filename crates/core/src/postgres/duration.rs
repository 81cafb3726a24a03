//! Reads durations as people write them, for every setting that is a duration.

use std::time::Duration;

use jiff::{SpanRelativeTo, fmt::friendly::SpanParser};

/// PostgreSQL's timeouts are 32-bit numbers of milliseconds.
const MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// The form of a duration, for a hint.
pub const FORM: &str = "write a number and a unit: `500ms`, `2s`, `1 min`, `6h`";

/// Why a text is not a duration that PostgreSQL can store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It is not a number with a unit.
    Unreadable,
    /// It is negative.
    Negative,
    /// It has fractions of a millisecond.
    TooFine,
    /// It is longer than the longest timeout of PostgreSQL (about 24 days).
    TooLong,
}

/// Reads `2s`, `20 ms`, `1h 30m`; a day has 24 hours. `0s` is a duration too.
///
/// # Errors
/// The text is not a duration, or PostgreSQL cannot store it.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let unreadable = |_| DurationError::Unreadable;
    let span = SpanParser::new().parse_span(text.trim()).map_err(unreadable)?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(unreadable)?;
    let duration = Duration::try_from(span).map_err(|_| DurationError::Negative)?;
    match duration {
        duration if duration.subsec_nanos() % 1_000_000 != 0 => Err(DurationError::TooFine),
        duration if duration > MAX => Err(DurationError::TooLong),
        duration => Ok(duration),
    }
}

/// Reads a duration in milliseconds; the error is a complete message.
///
/// # Errors
/// The same as [`parse`].
pub fn milliseconds(text: &str) -> Result<u64, String> {
    let duration = parse(text).map_err(|_| format!("`{text}` is not a duration; {FORM}"))?;
    // `parse` has checked that the number fits into 32 bits.
    Ok(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_people_write_them() {
        for (text, milliseconds) in [
            ("2s", 2_000),
            ("20ms", 20),
            ("6h", 21_600_000),
            ("1 min", 60_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for (text, why) in [
            ("", DurationError::Unreadable),
            ("2", DurationError::Unreadable),
            ("-2s", DurationError::Negative),
            ("1us", DurationError::TooFine),
            ("25 days", DurationError::TooLong),
            ("1 month", DurationError::Unreadable),
            ("soon", DurationError::Unreadable),
            ("2s ago", DurationError::Negative),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
