//! Which rules are due: their schedule has come round since they last ran to their end, or since they were applied. A
//! run that failed, stopped or was skipped leaves its rule due.

use cronexpr::MakeTimestamp;
use reconcile_apply::registry::Registry;
use reconcile_core::kinds::{retention::Rule, schedule::crontab};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

use crate::applied::{AppliedError, Sought, rule};

/// A rule, and when it is its turn.
#[derive(Debug)]
pub struct Timed {
    /// The rule.
    pub rule: Rule,
    /// It is due now.
    pub due: bool,
    /// When it is due next, or since when, on the clock of the rule's time zone; `None`: it has no schedule.
    pub next: Option<String>,
}

/// Every rule in force, with its turn by the clock of the database.
///
/// # Errors
/// The registry cannot be read, or holds a schedule that no clock keeps.
pub async fn timed(session: &mut Session, registry: &Registry) -> Result<Vec<Timed>, AppliedError> {
    if !registry.exists(session).await? {
        return Ok(Vec::new());
    }
    let results = session.batch(&registry.retention_times()).await?;
    let rows = results.iter().flatten().map(|row| {
        let rule = rule(row.try_get(0).map_err(LiveError::from)?)?;
        let (now, last) = (row.try_get(1).map_err(LiveError::from)?, row.try_get(2).map_err(LiveError::from)?);
        let next = rule.schedule.as_deref().map(|schedule| following(schedule, last)).transpose()?;
        let due = next.as_ref().is_some_and(|(next, _)| *next <= now);
        Ok(Timed { rule, due, next: next.map(|(_, shown)| shown) })
    });
    rows.collect()
}

/// When a schedule comes round after a moment, in seconds and to show. Both are of one clock, whose zone the server
/// knows: to a schedule all days have 24 hours.
fn following(schedule: &str, after: i64) -> Result<(i64, String), AppliedError> {
    let unclear = |error: String| AppliedError::Entry {
        sought: Sought::Rules,
        why: format!("the schedule `{schedule}`: {error}"),
    };
    let after = MakeTimestamp::from_second(after).map_err(|error| unclear(error.to_string()))?;
    let next = crontab(schedule).map_err(unclear)?.find_next(after).map_err(|error| unclear(error.to_string()))?;
    Ok((next.timestamp().as_second(), next.strftime("%Y-%m-%d %H:%M").to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_comes_round_after_the_last_run() {
        // 2026-01-31 02:00:00
        let last = 1_769_824_800;
        for (schedule, expected) in [
            ("0 2 * * *", "2026-02-01 02:00"),
            ("*/15 * * * *", "2026-01-31 02:15"),
            ("30 3 1 * *", "2026-02-01 03:30"),
            ("0 4 * * 1-5", "2026-02-02 04:00"),
        ] {
            assert_eq!(following(schedule, last).unwrap().1, expected, "{schedule}");
        }
    }
}
