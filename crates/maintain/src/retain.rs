//! Runs rules, one after the other. What stops one of them does not stop the next.

use reconcile_core::kinds::retention::{
    Rule,
    batch::{self, Fate, Selection},
    facts::Table,
    refuse::Refused,
    scene::Scene,
};
use reconcile_live::{LiveError, Session};
use tokio::sync::watch;

use crate::{
    Options,
    event::{Event, Report, Step, Verdict},
    files,
    line::{Heading, Line},
    lock, refreshed,
    site::{Ended, Site, number, text},
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
    let mut site = Site { session, options, stop, tell, files: None };
    site.prepare().await?;
    let now = text(site.session, "SELECT now()::text").await?;
    let run = number(site.session, &options.registry.next_number("retention_run")).await?;
    let mut run = Run { number: i64::try_from(run).unwrap_or(i64::MAX), now: &now, steps: Vec::new() };
    let mut verdict = Verdict::Done;
    for rule in rules {
        let result = if *site.stop.borrow() {
            Err(Ended::Stopped("it was interrupted before it began".to_owned()))
        } else {
            run.rule(&mut site, rule).await
        };
        let ended = match result {
            Ok(one) => {
                verdict = verdict.min(one);
                continue;
            }
            Err(ended) => ended,
        };
        verdict = verdict.min(ended.verdict());
        run.not_begun(&mut site, rule, &ended).await;
        if matches!(ended, Ended::Lost(_)) {
            break;
        }
    }
    Ok(Report { steps: run.steps, verdict })
}

impl Run<'_> {
    /// Notes a rule of which nothing was begun, as far as that can still be written.
    async fn not_begun(&mut self, site: &mut Site<'_>, rule: &Rule, ended: &Ended) {
        let step = Step::of(&rule.table, rule.label()).ended(ended);
        let table = rule.table.to_string();
        let heading = Heading { run: self.number, rule: &table };
        drop(Line::begin(site, heading, step.clone()).await);
        self.over(site, step);
    }

    fn over(&mut self, site: &mut Site<'_>, step: Step) {
        (site.tell)(Event::Over(&step));
        self.steps.push(step);
    }

    /// Runs a rule as the only one who does. An error: nothing of it was begun.
    async fn rule(&mut self, site: &mut Site<'_>, rule: &Rule) -> Result<Verdict, Ended> {
        let scene = site.scene(rule).await?;
        if let Err(holder) = lock::acquire(site.session, scene.table.oid).await? {
            return Err(Ended::overlap(&holder));
        }
        let result = self.locked(site, rule, &scene).await;
        site.files = None;
        // A connection that is gone has given it free.
        drop(lock::release(site.session, scene.table.oid).await);
        result
    }

    async fn locked(&mut self, site: &mut Site<'_>, rule: &Rule, scene: &Scene) -> Result<Verdict, Ended> {
        let table = rule.table.to_string();
        let heading = Heading { run: self.number, rule: &table };
        site.session.batch(&site.options.registry.retention_orphans(&table)).await?;
        let (registry, root) = (&site.options.registry, &site.options.root);
        site.files = files::open(site.session, registry, root, rule, &scene.table, self.number).await?;
        let cut_off = site.cut_off(rule, scene, self.now).await?;
        let selection = Selection::expired(rule, &cut_off);
        let counted = within_limits(site, rule, &selection).await?;
        // The cut-off is older than the views then: of what goes, they have seen every row.
        refreshed::before(site, rule, &mut self.steps).await?;
        let approaches = approaches(site, rule, &selection, &scene.table).await?;
        let mut families = Vec::new();
        for (child, link) in &scene.children {
            let step = Step::of(&child.name, rule.child_label());
            let line = Line::begin(site, heading, step).await?;
            families.push(Family::new(child, link, line, &rule.batch));
        }
        // A crash may take the latest batches back, each with its record: the next run takes them again. What closes the
        // lines waits for the disk, and with it for all batches before it.
        let step = Step::of(&rule.table, rule.label());
        let line = Line::begin_after(site, "SET synchronous_commit = off; ", heading, step).await?;
        let rows = counted.unwrap_or_else(|| approaches.iter().map(|approach| approach.rows).sum());
        (site.tell)(Event::Begins { step: &line.step, rows });
        let columns = scene.archive.as_ref().map(|archive| Scene::moved(&scene.table, archive)).unwrap_or_default();
        let fate = match &scene.archive {
            Some(archive) => Fate::Move { to: &archive.name, columns: &columns },
            None if site.files.is_some() => Fate::HandOver { columns: &scene.table.columns },
            None => Fate::Delete,
        };
        let mut walk = Walk::new(site, &rule.batch, &selection, scene.clock, fate, families, line);
        let mut ended = walk.all(&approaches).await.err();
        if let Some(Ended::Stopped(message)) = &mut ended {
            let left = rows.saturating_sub(walk.line.step.rows_affected);
            walk.line.leaving(left);
            message.push_str(&walk.backlog(heading, left).await);
        }
        let lines: Vec<_> = walk.families.into_iter().map(|family| family.line).chain([walk.line]).collect();
        // A connection that is gone needs it no more.
        drop(site.session.batch("RESET synchronous_commit").await);
        let sealed = site.seal().await;
        ended = ended.or(sealed.err());
        let touched = self.close(site, lines, ended.as_ref()).await;
        self.vacuum(site, rule, scene, heading, &touched, ended.as_ref()).await;
        let vacuumed = if rule.vacuum && *site.stop.borrow() { Verdict::Incomplete } else { Verdict::Done };
        Ok(ended.map_or(vacuumed, |ended| ended.verdict()))
    }

    /// Closes the lines, children first; gives which of them had rows.
    async fn close(&mut self, site: &mut Site<'_>, lines: Vec<Line>, ended: Option<&Ended>) -> Vec<bool> {
        let mut touched = Vec::new();
        for line in lines {
            let step = line.close(site, ended).await;
            touched.push(step.rows_affected > 0);
            self.over(site, step);
        }
        touched
    }

    /// After what went, unless somebody wants the run to end.
    async fn vacuum(
        &mut self,
        site: &mut Site<'_>,
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
            if *site.stop.borrow() {
                return;
            }
            match vacuum(site, heading, table).await {
                Ok(step) => self.over(site, step),
                Err(_) => return,
            }
        }
    }
}

/// How each part of a table is walked.
pub(crate) async fn approaches(
    site: &mut Site<'_>,
    rule: &Rule,
    selection: &Selection<'_>,
    table: &Table,
) -> Result<Vec<Approach>, LiveError> {
    let mut approaches = Vec::new();
    for part in table.leaves() {
        approaches.push(walk::approach(site, selection, &rule.column, part).await?);
    }
    Ok(approaches)
}

/// Counts, where the rule has limits, and holds the count against them.
async fn within_limits(site: &mut Site<'_>, rule: &Rule, selection: &Selection<'_>) -> Result<Option<u64>, Ended> {
    let limits = &rule.limits;
    if limits.max_rows.is_none() && limits.max_fraction.is_none() {
        return Ok(None);
    }
    let rows = number(site.session, selection.count(&rule.table).as_str()).await?;
    let total = match limits.max_fraction {
        Some(_) => Some(number(site.session, batch::total(&rule.table).as_str()).await?),
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
