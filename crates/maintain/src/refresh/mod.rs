//! Refreshes materialized views, one after the other, each after those that it reads. What fails keeps those that read
//! it from being refreshed from what is old, and no others. The statement itself is in `statement`.

mod statement;

use std::collections::BTreeSet;

use reconcile_apply::registry::refresh_run::Noted;
use reconcile_core::{
    kinds::{
        matview::{Matview, catalog::Found, order},
        retention::preflight::Refused,
    },
    postgres::name::QualifiedName,
};
use reconcile_live::{LiveError, Session, matview::facts_of, settings};
use tokio::{sync::watch, time::Instant};

use crate::{
    Options,
    context::{Ended, RunContext, number},
    event::{Event, Outcome, Report, Step, Subject, Verdict},
    run_lock,
};

/// Refreshes views on a connection that is known to be ours alone. `stop` ends it, and what runs.
///
/// # Errors
/// Nothing was done: the connection or the server failed before the first view.
pub async fn refresh(
    session: &mut Session,
    views: &[Matview],
    options: &Options,
    stop: watch::Receiver<bool>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    settings::take(session, &options.search_path).await?;
    let names: Vec<_> = views.iter().map(|view| &view.name).collect();
    let found = facts_of(session, &names).await?;
    let reads = |view: &Matview| found.get(&view.name).map(|found| found.reads.clone()).unwrap_or_default();
    let reads: Vec<_> = views.iter().map(|view| (view.name.clone(), reads(view))).collect();
    // Where somebody has led a plain view round in a circle, no order is right, and any brings them closer to the truth.
    let order = order::sorted(&reads).unwrap_or_else(|_| reads.iter().map(|(name, _)| name.clone()).collect());
    let number = number(session, &options.registry.next_number("refresh_run")).await?;
    let mut run = Run {
        context: RunContext { session, options, stop, tell, files: None },
        number: i64::try_from(number).unwrap_or(i64::MAX),
        old: BTreeSet::new(),
        steps: Vec::new(),
    };
    let mut verdict = Verdict::Done;
    for view in order.iter().filter_map(|name| views.iter().find(|view| view.name == *name)) {
        let ended = run.view(view, found.get(&view.name)).await;
        verdict = verdict.min(ended.as_ref().map_or(Verdict::Done, Ended::verdict));
        if matches!(ended, Some(Ended::Lost(_))) {
            break;
        }
    }
    Ok(Report { steps: run.steps, verdict })
}

/// A run at work.
struct Run<'a> {
    context: RunContext<'a>,
    number: i64,
    /// Views that were not brought up to date.
    old: BTreeSet<QualifiedName>,
    steps: Vec<Step>,
}

impl Run<'_> {
    /// One view; and why it is not up to date, unless it is.
    async fn view(&mut self, view: &Matview, found: Option<&Found>) -> Option<Ended> {
        let concurrently = found.is_some_and(|found| statement::is_concurrent(view, found));
        let action = if concurrently { "REFRESH CONCURRENTLY" } else { "REFRESH" };
        let mut step = Step::new(Subject::View(view.name.to_string()), action.to_owned());
        let ended = match self.may_begin(view, found) {
            Ok(found) => self.alone(view, found, concurrently, &mut step).await,
            Err(ended) => Err(ended),
        };
        let ended = ended.err();
        if let Some(why) = &ended {
            step = step.ended(why);
            self.old.insert(view.name.clone());
            if step.execution_time_ms == 0 && !matches!(why, Ended::Lost(_)) {
                // Of what was begun, the row is there already.
                drop(
                    self.context
                        .session
                        .batch(&self.context.options.registry.refresh_begun(self.number, &noted(&step)))
                        .await,
                );
            }
        }
        (self.context.tell)(Event::Over(&step));
        self.steps.push(step);
        ended
    }

    fn may_begin<'f>(&self, view: &Matview, found: Option<&'f Found>) -> Result<&'f Found, Ended> {
        let refused = |message: String, hint: &str| Ended::Failed(Refused { message, hint: hint.to_owned() });
        let Some(found) = found.filter(|found| found.is_matview()) else {
            let message = "there is no such materialized view any more".to_owned();
            return Err(refused(message, "apply makes it again, or strikes it from the registry"));
        };
        if self.context.is_stopped() {
            return Err(Ended::Stopped("it was interrupted before it began".to_owned()));
        }
        if let Some(old) = found.reads.iter().find(|read| self.old.contains(*read)) {
            let message = format!("not begun: {old}, which it reads, was not refreshed");
            return Err(Ended::Overlap(Refused { message, hint: String::new() }));
        }
        let concurrently = view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently);
        if concurrently && found.populated && !found.tells_rows_apart {
            let message = "a concurrent refresh needs a unique index on plain columns, over all rows".to_owned();
            return Err(refused(message, "plan and apply: they make the index again"));
        }
        Ok(found)
    }

    /// As the only one who refreshes it.
    async fn alone(&mut self, view: &Matview, found: &Found, concurrently: bool, step: &mut Step) -> Result<(), Ended> {
        if let Err(holder) = run_lock::acquire(self.context.session, found.oid).await? {
            return Err(overlap(&holder));
        }
        let result = self.locked(view, found, concurrently, step).await;
        run_lock::release(self.context.session, found.oid).await;
        result
    }

    async fn locked(
        &mut self,
        view: &Matview,
        found: &Found,
        concurrently: bool,
        step: &mut Step,
    ) -> Result<(), Ended> {
        if let Some(other) = statement::other(self.context.session, found.oid).await? {
            return Err(overlap(&other));
        }
        let registry = &self.context.options.registry;
        let begun = format!(
            "{}; {}",
            registry.refresh_orphans(step.subject.name()),
            registry.refresh_begun(self.number, &noted(step))
        );
        let id = i64::try_from(number(self.context.session, &begun).await?).unwrap_or(i64::MAX);
        (self.context.tell)(Event::Refreshes(step));
        let start = Instant::now();
        let result = self.execute(view, concurrently).await;
        step.execution_time_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        match &result {
            Ok(rows) => {
                step.rows_affected = *rows;
                step.outcome = Outcome::Done;
            }
            Err(why) => {
                step.message = Some(why.said().0);
                step.outcome = why.outcome();
            }
        }
        // Where this cannot be written any more, the next run does it.
        drop(self.context.session.batch(&registry.refresh_ended(id, &noted(step))).await);
        result.map(drop)
    }
}

/// Somebody else is at work on it; to wait would be to do it twice (TRAPS 31).
fn overlap(holder: &str) -> Ended {
    let message = format!("it is being refreshed or changed already, by {holder}");
    Ended::Overlap(Refused { message, hint: "wait for its end".to_owned() })
}

fn noted(step: &Step) -> Noted<'_> {
    Noted {
        view: step.subject.name(),
        action: &step.action,
        rows: step.rows_affected,
        ms: step.execution_time_ms,
        outcome: step.outcome.name(),
        message: step.message.as_deref(),
    }
}
