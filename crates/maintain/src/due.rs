//! Which rules and views are due: those whose schedule had a time since they last ran to their end, or since they were
//! applied. After a run that failed, stopped or was skipped they are still due.

use cronexpr::MakeTimestamp;
use reconcile_apply::registry::Registry;
use reconcile_core::{
    kinds::{matview::Matview, retention::Rule},
    postgres::cron::crontab,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

use crate::applied::{AppliedError, Sought, rule, view};

/// A rule or a view, and when it is due.
#[derive(Debug)]
pub struct Timed<T> {
    /// The rule or view.
    pub item: T,
    /// It is due now.
    pub due: bool,
    /// When it is due next, or since when, on the clock of its time zone; `None`: it has no schedule.
    pub next: Option<String>,
}

/// Whether a view that was never filled is due whatever its schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// It is: it has nothing to read.
    Due,
    /// It is not: somebody wanted it so.
    Waits,
}

/// Every rule in force, by the clock of the database.
///
/// # Errors
/// The registry cannot be read, or holds a schedule that no clock keeps.
pub async fn rules(session: &mut Session, registry: &Registry) -> Result<Vec<Timed<Rule>>, AppliedError> {
    let schedule = |rule: &Rule| rule.schedule.clone();
    let query = registry.retention_times();
    scheduled(session, registry, &query, Sought::Rules, Unfilled::Waits, rule, schedule).await
}

/// Every view that is applied, by the clock of the database.
///
/// # Errors
/// The registry cannot be read, or holds a schedule that no clock keeps.
pub async fn views(
    session: &mut Session,
    registry: &Registry,
    unfilled: Unfilled,
) -> Result<Vec<Timed<Matview>>, AppliedError> {
    let schedule = |view: &Matview| view.schedule().map(str::to_owned);
    scheduled(session, registry, &registry.refresh_times(), Sought::Views, unfilled, view, schedule).await
}

async fn scheduled<T>(
    session: &mut Session,
    registry: &Registry,
    query: &str,
    sought: Sought,
    unfilled: Unfilled,
    read: impl Fn(serde_json::Value) -> Result<T, AppliedError>,
    schedule: impl Fn(&T) -> Option<String>,
) -> Result<Vec<Timed<T>>, AppliedError> {
    if !registry.exists(session).await? {
        return Ok(Vec::new());
    }
    let results = session.batch(query).await?;
    let rows = results.iter().flatten().map(|row| {
        let item = read(row.try_get(0).map_err(LiveError::from)?)?;
        let (now, last) = (row.try_get(1).map_err(LiveError::from)?, row.try_get(2).map_err(LiveError::from)?);
        let filled: bool = row.try_get(3).map_err(LiveError::from)?;
        let next = schedule(&item).map(|schedule| following(&schedule, last, sought)).transpose()?;
        let come = next.as_ref().is_some_and(|(next, _)| *next <= now);
        let due = come || !filled && unfilled == Unfilled::Due;
        Ok(Timed { item, due, next: next.map(|(_, shown)| shown) })
    });
    rows.collect()
}

/// The next time of a schedule after a moment, in seconds and to show. Both are of the schedule's clock, whose zone the
/// server knows: to a schedule all days have 24 hours.
fn following(schedule: &str, after: i64, sought: Sought) -> Result<(i64, String), AppliedError> {
    let unclear = |error: String| AppliedError::Entry { sought, why: format!("the schedule `{schedule}`: {error}") };
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
            assert_eq!(following(schedule, last, Sought::Rules).unwrap().1, expected, "{schedule}");
        }
    }
}
