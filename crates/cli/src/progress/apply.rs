//! Shows the progress of an apply.

use std::{collections::BTreeMap, time::Duration};

use indicatif::ProgressBar;
use reconcile_apply::{event::Event, retry::Retry};

use super::Display;
use reconcile_render::printable;

use crate::terminal::Terminal;

/// The template of a bar.
const STEP: &str = "  [{elapsed}] {bar:30} {percent:>3}% {wide_msg}";

/// Shows the events of an apply, as JSON for programs.
pub(crate) struct ApplyProgress<'a> {
    display: Display<'a>,
    /// The running statements, by their number in the plan.
    running: BTreeMap<usize, Bar>,
}

struct Bar {
    line: ProgressBar,
    statement: String,
    object: String,
}

impl<'a> ApplyProgress<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        Self { display: Display::new(terminal), running: BTreeMap::new() }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        if self.display.terminal.json {
            return self.display.terminal.json_line(&as_json(event));
        }
        match event {
            Event::RunStarted(_) => {}
            Event::LookedUp { run, statement, done, .. } => {
                let found = if *done { "its effect is there" } else { "it had no effect" };
                self.line(&format!("run {} was interrupted in: {}; {found}", run.0, printable(statement)));
            }
            Event::StepStarted { change, step, position, of } => {
                let statement = format!("[{position}/{of}] {}", beginning(step.sql.as_str()));
                self.begin(*position, statement, printable(&change.address.to_string()));
            }
            Event::Progress(position, progress) => {
                if let Some(Bar { line, object, .. }) = self.running.get(position) {
                    line.set_length(progress.total.max(1));
                    line.set_position(progress.done);
                    line.set_message(format!("{object}: {}", progress.phase));
                }
            }
            Event::Waiting(_, blocker) => self.line(&format!("  waiting for {}", printable(&blocker.to_string()))),
            Event::Retry(position, retry) => {
                self.take_away(*position);
                self.line(&format!("  no lock within the lock timeout; {retry}"));
            }
            Event::StepFinished(position, took) => match self.take_away(*position) {
                Some(statement) => self.line(&format!("  {statement} ({} ms)", took.as_millis())),
                None => self.display.terminal.detail(&format!("  {} ms", took.as_millis())),
            },
            Event::CleanedUp(_, name) => self.line(&format!("  removed the INVALID index {name}")),
            Event::LeftBehind(_, name) => {
                self.line(&format!("  the INVALID index {name} cannot be removed now; the next apply repairs it"));
            }
        }
    }

    /// Removes the bars.
    pub(crate) fn end(&self) {
        self.display.clear();
    }

    fn begin(&mut self, position: usize, statement: String, object: String) {
        match self.display.bar(100, STEP, statement.clone()) {
            Some(line) => drop(self.running.insert(position, Bar { line, statement, object })),
            None => self.line(&statement),
        }
    }

    fn take_away(&mut self, position: usize) -> Option<String> {
        let Bar { line, statement, .. } = self.running.remove(&position)?;
        line.finish_and_clear();
        Some(statement)
    }

    fn line(&self, line: &str) {
        self.display.line(line);
    }
}

/// The first line of a statement, because a routine has many.
fn beginning(sql: &str) -> String {
    match sql.split_once('\n') {
        Some((first, _)) => format!("{} …", printable(first)),
        None => printable(sql),
    }
}

fn as_json(event: &Event<'_>) -> serde_json::Value {
    use serde_json::json;
    match event {
        Event::RunStarted(run) => json!({ "event": "started", "run": run.0 }),
        Event::LookedUp { run, address, statement, done } => json!({
            "event": "looked_up", "run": run.0, "address": address, "sql": statement, "done": done,
        }),
        Event::StepStarted { change, step, position, of } => json!({
            "event": "step", "address": change.address, "sql": step.sql, "position": position, "of": of,
        }),
        Event::Progress(position, progress) => json!({
            "event": "progress", "position": position, "phase": progress.phase, "done": progress.done,
            "total": progress.total,
        }),
        Event::Waiting(position, blocker) => json!({
            "event": "waiting", "position": position, "pid": blocker.pid, "user": blocker.user,
            "application": blocker.application, "state": blocker.state, "query": blocker.query, "seconds": blocker.age,
        }),
        Event::Retry(position, Retry { number, pause }) => {
            json!({ "event": "retry", "position": position, "attempt": number, "pause_ms": millis(*pause) })
        }
        Event::StepFinished(position, took) => {
            json!({ "event": "step_done", "position": position, "ms": millis(*took) })
        }
        Event::CleanedUp(position, name) => json!({ "event": "cleaned_up", "position": position, "index": name }),
        Event::LeftBehind(position, name) => json!({ "event": "left_behind", "position": position, "index": name }),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
