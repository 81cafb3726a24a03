//! Runs rules, one after the other. What stops one of them does not stop the next.

use reconcile_core::kinds::retention::{
    Rule,
    batch::{self, Fate, Selection},
    catalog::Table,
    preflight::Refused,
    scene::Scene,
};
use reconcile_live::{LiveError, Session};
use tokio::sync::watch;

use crate::{
    Options,
    context::{Ended, RunContext, number, text},
    event::{Event, Report, Step, Verdict},
    files,
    record::{Heading, Line},
    refreshed, run_lock,
    vacuum::vacuum,
    walk::{self, Approach, Family, Walk},
};

/// What a run is about, beside its rule.
struct Run<'a> {
    number: i64,
    /// When it began, by the clock of the database.
    now: &'a str,
    steps: Vec<Step>,
}

/// Runs rules on a connection that is known to be ours alone, children before their parents. `stop` ends it after the batch that it is at.
///
/// # Errors
/// Nothing was done: the connection or the server failed before the first rule.
pub async fn retain(
    session: &mut Session,
    rules: &[Rule],
    options: &Options,
    stop: watch::Receiver<bool>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Report, LiveError> {
    let mut context = RunContext { session, options, stop, tell, files: None };
    context.prepare().await?;
    let now = text(context.session, "SELECT now()::text").await?;
    let run = number(context.session, &options.registry.next_number("retention_run")).await?;
    let mut run = Run { number: i64::try_from(run).unwrap_or(i64::MAX), now: &now, steps: Vec::new() };
    let mut verdict = Verdict::Done;
    for rule in rules {
        let result = if context.is_stopped() {
            Err(Ended::Stopped("it was interrupted before it began".to_owned()))
        } else {
            run.rule(&mut context, rule).await
        };
        let ended = match result {
            Ok(one) => {
                verdict = verdict.min(one);
                continue;
            }
            Err(ended) => ended,
        };
        verdict = verdict.min(ended.verdict());
        run.not_begun(&mut context, rule, &ended).await;
        if matches!(ended, Ended::Lost(_)) {
            break;
        }
    }
    Ok(Report { steps: run.steps, verdict })
}

impl Run<'_> {
    /// Notes a rule of which nothing was begun, as far as that can still be written.
    async fn not_begun(&mut self, context: &mut RunContext<'_>, rule: &Rule, ended: &Ended) {
        let step = Step::of(&rule.table, rule.label()).ended(ended);
        let table = rule.table.to_string();
        let heading = Heading { run: self.number, rule: &table };
        drop(Line::begin(context, heading, step.clone()).await);
        self.over(context, step);
    }

    fn over(&mut self, context: &mut RunContext<'_>, step: Step) {
        (context.tell)(Event::Over(&step));
        self.steps.push(step);
    }

    /// Runs a rule as the only one who does. An error: nothing of it was begun.
    async fn rule(&mut self, context: &mut RunContext<'_>, rule: &Rule) -> Result<Verdict, Ended> {
        let scene = context.scene(rule).await?;
        if let Err(holder) = run_lock::acquire(context.session, scene.table.oid).await? {
            return Err(Ended::overlap(&holder));
        }
        let result = self.locked(context, rule, &scene).await;
        context.files = None;
        run_lock::release(context.session, scene.table.oid).await;
        result
    }

    async fn locked(&mut self, context: &mut RunContext<'_>, rule: &Rule, scene: &Scene) -> Result<Verdict, Ended> {
        let table = rule.table.to_string();
        let heading = Heading { run: self.number, rule: &table };
        context.session.batch(&context.options.registry.retention_orphans(&table)).await?;
        let (registry, root) = (&context.options.registry, &context.options.root);
        context.files = files::open(context.session, registry, root, rule, &scene.table, self.number).await?;
        let cut_off = context.cut_off(rule, scene, self.now).await?;
        let selection = Selection::expired(rule, &cut_off);
        let counted = within_limits(context, rule, &selection).await?;
        // The cut-off is older than the views then: of what goes, they have seen every row.
        refreshed::before(context, rule, &mut self.steps).await?;
        let approaches = approaches(context, rule, &selection, &scene.table).await?;
        let mut families = Vec::new();
        for (child, link) in &scene.children {
            let step = Step::of(&child.name, rule.child_label());
            let line = Line::begin(context, heading, step).await?;
            families.push(Family::new(child, link, line, &rule.batch));
        }
        // A crash may take the latest batches back, each with its record: the next run takes them again. What closes the
        // lines waits for the disk, and with it for all batches before it.
        let step = Step::of(&rule.table, rule.label());
        let line = Line::begin_after(context, "SET synchronous_commit = off; ", heading, step).await?;
        let rows = counted.unwrap_or_else(|| approaches.iter().map(|approach| approach.rows).sum());
        (context.tell)(Event::Begins { step: &line.step, rows });
        let columns = scene.archive.as_ref().map(|archive| Scene::moved(&scene.table, archive)).unwrap_or_default();
        let fate = match &scene.archive {
            Some(archive) => Fate::Move { to: &archive.name, columns: &columns },
            None if context.files.is_some() => Fate::HandOver { columns: &scene.table.columns },
            None => Fate::Delete,
        };
        let mut walk = Walk::new(context, &rule.batch, &selection, scene.clock, fate, families, line);
        let mut ended = walk.all(&approaches).await.err();
        if let Some(Ended::Stopped(message)) = &mut ended {
            let left = rows.saturating_sub(walk.line.step.rows_affected);
            walk.line.leaving(left);
            message.push_str(&walk.backlog(heading, left).await);
        }
        let lines: Vec<_> = walk.families.into_iter().map(|family| family.line).chain([walk.line]).collect();
        // A connection that is gone needs it no more.
        drop(context.session.batch("RESET synchronous_commit").await);
        let sealed = context.seal().await;
        ended = ended.or(sealed.err());
        let touched = self.close(context, lines, ended.as_ref()).await;
        self.vacuum(context, rule, scene, heading, &touched, ended.as_ref()).await;
        let vacuumed = if rule.vacuum && context.is_stopped() { Verdict::Incomplete } else { Verdict::Done };
        Ok(ended.map_or(vacuumed, |ended| ended.verdict()))
    }

    /// Closes the lines, children first; gives which of them had rows.
    async fn close(&mut self, context: &mut RunContext<'_>, lines: Vec<Line>, ended: Option<&Ended>) -> Vec<bool> {
        let mut touched = Vec::new();
        for line in lines {
            let step = line.close(context, ended).await;
            touched.push(step.rows_affected > 0);
            self.over(context, step);
        }
        touched
    }

    /// After what went, unless somebody wants the run to end.
    async fn vacuum(
        &mut self,
        context: &mut RunContext<'_>,
        rule: &Rule,
        scene: &Scene,
        heading: Heading<'_>,
        touched: &[bool],
        ended: Option<&Ended>,
    ) {
        let hopeless = matches!(ended, Some(Ended::Lost(_) | Ended::Failed(_)));
        if !rule.vacuum || hopeless {
            return;
        }
        let tables = scene.children.iter().map(|(child, _)| child).chain([&scene.table]);
        let touched_tables = tables.zip(touched).filter(|(_, touched)| **touched).map(|(table, _)| table);
        let archive = scene.archive.as_ref().filter(|_| touched.last() == Some(&true));
        for table in touched_tables.chain(archive) {
            if context.is_stopped() {
                return;
            }
            match vacuum(context, heading, table).await {
                Ok(step) => self.over(context, step),
                Err(_) => return,
            }
        }
    }
}

/// How each part of a table is walked.
pub(crate) async fn approaches(
    context: &mut RunContext<'_>,
    rule: &Rule,
    selection: &Selection<'_>,
    table: &Table,
) -> Result<Vec<Approach>, LiveError> {
    let mut approaches = Vec::new();
    for part in table.leaves() {
        approaches.push(walk::approach(context, selection, &rule.column, part).await?);
    }
    Ok(approaches)
}

/// Counts, where the rule has limits, and holds the count against them.
async fn within_limits(
    context: &mut RunContext<'_>,
    rule: &Rule,
    selection: &Selection<'_>,
) -> Result<Option<u64>, Ended> {
    let limits = &rule.limits;
    if limits.max_rows.is_none() && limits.max_fraction.is_none() {
        return Ok(None);
    }
    let rows = number(context.session, selection.count(&rule.table).as_str()).await?;
    let total = match limits.max_fraction {
        Some(_) => Some(number(context.session, batch::total(&rule.table).as_str()).await?),
        None => None,
    };
    match beyond(rule, rows, total) {
        Some(message) => Err(Ended::Beyond(Refused {
            message,
            hint: "nothing was deleted; if that is right, raise the rule's `limits`, and apply it".to_owned(),
        })),
        None => Ok(Some(rows)),
    }
}

/// What is said where the limits forbid so many rows.
#[expect(clippy::cast_precision_loss, reason = "a fraction of a table is no matter of single rows among 2^52")]
pub(crate) fn beyond(rule: &Rule, rows: u64, total: Option<u64>) -> Option<String> {
    let table = &rule.table;
    if let Some(most) = rule.limits.max_rows.filter(|most| rows > *most) {
        let more = rows - most;
        return Some(format!("{rows} rows of {table} would go, {more} more than `max_rows` of {most} allows"));
    }
    let (most, total) = (rule.limits.max_fraction?, total?);
    let part = rows as f64 / total.max(1) as f64;
    (part > most).then(|| {
        format!("{rows} of the {total} rows of {table} would go, {part:.3} of it; `max_fraction` allows {most}")
    })
}
