//! The point in time that rows must lie before. One value for a whole run, from the database's clock: its text is asked
//! for once, and stands in every statement as a literal of the column's type.

use super::Rule;
use crate::postgres::sql::Sql;

/// The kind of clock that a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `timestamp with time zone`
    Instant,
    /// `timestamp without time zone`
    Local,
    /// `date`
    Date,
}

/// A point in time as a column's type has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    clock: Clock,
    text: String,
}

impl Clock {
    /// By the name of a type, as `format_type` writes it.
    #[must_use]
    pub fn of_type(name: &str) -> Option<Self> {
        match name {
            "date" => Some(Self::Date),
            name if name.starts_with("timestamp") && name.ends_with("with time zone") => Some(Self::Instant),
            name if name.starts_with("timestamp") => Some(Self::Local),
            _ => None,
        }
    }

    /// The point in time that rows must lie before, as of now: an expression that is the same for a whole transaction.
    /// Days and months are those of the calendar in the rule's time zone.
    #[must_use]
    pub fn cut_off(self, rule: &Rule) -> Sql {
        self.cut_off_at(rule, &Sql::new("now()"))
    }

    fn cut_off_at(self, rule: &Rule, now: &Sql) -> Sql {
        let period = rule.retain_for.to_string();
        let zone = |sql: Sql| sql.raw(" AT TIME ZONE ").literal(rule.zone());
        match self {
            Self::Instant => {
                let local = zone(Sql::new("((").raw_sql(now)).raw(" - INTERVAL ").literal(&period).raw(")");
                zone(local).raw(")")
            }
            Self::Local => zone(Sql::new("(").raw_sql(now)).raw(" - INTERVAL ").literal(&period).raw(")"),
            Self::Date => zone(Sql::new("((").raw_sql(now)).raw(")::date - INTERVAL ").literal(&period).raw(")::date"),
        }
    }

    /// Before every point in time that it tells.
    #[must_use]
    pub fn beginning(self) -> Sql {
        Sql::default().literal("-infinity").raw(self.cast())
    }

    /// The parameter of a statement that brings it as text.
    #[must_use]
    pub fn parameter(self, number: u8) -> Sql {
        Sql::default().parameter(number).raw(self.cast())
    }

    /// The name of its type.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        self.cast().trim_start_matches(':')
    }

    fn cast(self) -> &'static str {
        match self {
            Self::Instant => "::timestamptz",
            Self::Local => "::timestamp",
            Self::Date => "::date",
        }
    }
}

impl CutOff {
    /// As the server printed it, or as somebody wrote it.
    #[must_use]
    pub fn new(clock: Clock, text: impl Into<String>) -> Self {
        Self { clock, text: text.into() }
    }

    /// Asks for the value, as text, of a run that began at `now` by the clock of the database.
    #[must_use]
    pub fn query(rule: &Rule, clock: Clock, now: &str) -> Sql {
        let now = Sql::default().literal(now).raw("::timestamptz");
        Sql::new("SELECT ").raw_sql(&clock.cut_off_at(rule, &now)).raw("::text")
    }

    /// Asks what somebody wrote means, as text: without an offset, it is of the rule's zone.
    #[must_use]
    pub fn read(&self, rule: &Rule) -> Sql {
        let zone = Sql::new("SET LOCAL TimeZone = ").literal(rule.zone());
        zone.raw("; SELECT ").raw_sql(&self.literal()).raw("::text")
    }

    /// The text, with its type.
    #[must_use]
    pub fn literal(&self) -> Sql {
        Sql::default().literal(&self.text).raw(self.clock.cast())
    }

    /// What it is a point in time of.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// As the server printed it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
