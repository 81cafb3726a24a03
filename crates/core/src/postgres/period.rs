//! How long rows are kept: a calendar period, in the one unit that it was written in. Twelve months are not 365 days.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A period of the calendar, longer than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    count: u32,
    unit: Unit,
}

/// The units of [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Of sixty minutes.
    Hour,
    /// From midnight to midnight of the rule's time zone.
    Day,
    /// Seven days.
    Week,
    /// Of the calendar.
    Month,
    /// Of the calendar.
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

    /// About how many hours it has, to tell longer from shorter.
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
    /// Years that a period may have, far from where PostgreSQL's timestamps end.
    const MAX_HOURS: u64 = 1000 * 8766;

    /// Whether it is about shorter than another; months and days are compared by their average length.
    #[must_use]
    pub fn is_shorter_than(self, other: Self) -> bool {
        self.hours() < other.hours()
    }

    /// Whether it has parts of days, which a `date` does not know.
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

/// Why a text is no period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no period; write a number and one unit, as in `30 days`, `12 months` or `36 hours`")]
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
