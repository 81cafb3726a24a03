//! How long rows are kept: a calendar period in the one unit that it was written in. Twelve months are not 365 days.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A calendar period, longer than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    count: u32,
    unit: Unit,
}

/// The units of [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Sixty minutes.
    Hour,
    /// A day from midnight to midnight in the rule's time zone.
    Day,
    /// Seven days.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Unit {
    const ALL: [(&'static str, Self); 5] =
        [("hour", Self::Hour), ("day", Self::Day), ("week", Self::Week), ("month", Self::Month), ("year", Self::Year)];

    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The approximate length in hours, to compare units.
    fn hours(self) -> u64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 730,
            Self::Year => 8766,
        }
    }
}

impl Period {
    /// The limit of a period, in hours: 1000 years, far from where PostgreSQL's timestamps end.
    const MAX_HOURS: u64 = 1000 * 8766;

    /// Whether the period is shorter than another one, approximately: months and years have their average length.
    #[must_use]
    pub fn is_shorter_than(self, other: Self) -> bool {
        self.hours() < other.hours()
    }

    /// Whether the period has hours, which a `date` cannot express.
    #[must_use]
    pub fn has_hours(self) -> bool {
        self.unit == Unit::Hour
    }

    fn hours(self) -> u64 {
        u64::from(self.count) * self.unit.hours()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.count, self.unit.name(), if self.count == 1 { "" } else { "s" })
    }
}

/// Why a text is not a period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a period; write a number and one unit, as in `30 days`, `12 months` or `36 hours`")]
pub struct PeriodError(String);

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let error = || PeriodError(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (count, unit) = trimmed.split_at(digits);
        let count = count.parse().map_err(|_| error())?;
        let unit = unit.trim().to_ascii_lowercase();
        let singular = unit.strip_suffix('s').unwrap_or(&unit);
        let (_, unit) = Unit::ALL.into_iter().find(|(name, _)| *name == singular).ok_or_else(error)?;
        let period = Self { count, unit };
        if count == 0 || period.hours() > Self::MAX_HOURS { Err(error()) } else { Ok(period) }
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_a_number_and_a_unit() {
        for (text, printed) in [("30 days", "30 days"), ("12 Months", "12 months"), ("1year", "1 year")] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), printed);
        }
        for text in ["", "days", "0 days", "-1 day", "1.5 days", "30", "30 dayz", "1 month 2 days", "99999 years"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        assert!("30 days".parse::<Period>().unwrap().is_shorter_than("1 month".parse().unwrap()));
    }
}
