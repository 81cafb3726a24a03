//! Past runs and their steps, for people.

use reconcile_apply::registry::history::{PastRun, PastStep};
use reconcile_render::printable;

use super::table;

/// A line for each run.
pub(crate) fn runs(runs: &[PastRun]) -> String {
    let mut rows = vec![["RUN", "STARTED (UTC)", "TOOK", "OUTCOME", "BY", "COMMIT", "WHAT"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| {
        [
            run.run.to_string(),
            clock(&run.started_at),
            run.ms.map(duration).unwrap_or_default(),
            run.outcome.clone(),
            by(run),
            commit(run),
            what(run),
        ]
    }));
    table(&rows, &[])
}

/// A run and its steps.
pub(crate) fn steps(run: &PastRun, steps: &[PastStep]) -> String {
    let mut text = format!("run {}: {}, {}", run.run, what(run), run.outcome);
    text.push_str(&format!("\n  started {} by {}", clock(&run.started_at), by(run)));
    if let Some(ms) = run.ms {
        text.push_str(&format!(", took {}", duration(ms)));
    }
    if let Some(commit) = &run.commit {
        text.push_str(&format!("\n  commit {}", printable(commit)));
    }
    text.push('\n');
    for step in steps {
        let took = step.ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
        let address = printable(&step.address);
        text.push_str(&format!("\n{:>4} {address}: {}{took}\n", step.position, step.outcome));
        text.push_str(&format!("     {};\n", printable(&step.sql).replace('\n', "\n     ")));
        if let Some(error) = &step.error {
            text.push_str(&format!("     -- {}\n", printable(error).replace('\n', "\n     -- ")));
        }
    }
    text
}

fn by(run: &PastRun) -> String {
    match &run.operator {
        Some(operator) if *operator != run.role => printable(&format!("{operator} as {}", run.role)),
        Some(_) | None => printable(&run.role),
    }
}

fn commit(run: &PastRun) -> String {
    run.commit.as_deref().unwrap_or("").chars().take(10).collect()
}

fn what(run: &PastRun) -> String {
    let mut text = printable(&run.command);
    if let Some(reverts) = run.reverts {
        text.push_str(&format!(" of run {reverts}"));
    }
    let counts = run.summary.as_object().into_iter().flatten();
    let counts: Vec<_> = counts
        .filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0))
        .map(|(action, count)| format!("{count} {action}"))
        .collect();
    if !counts.is_empty() {
        text.push_str(&format!(": {}", counts.join(", ")));
    }
    text
}

/// A time such as `2026-11-22T10:00:00.123Z`, for people.
fn clock(time: &str) -> String {
    time.replace('T', " ").split('.').next().unwrap_or_default().to_owned()
}

/// A number of milliseconds, for people.
pub(crate) fn duration(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}
