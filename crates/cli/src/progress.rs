//! Shows how far an apply is.

use std::io::IsTerminal as _;

use reconcile_apply::execute::Event;

use crate::{render::printable, terminal::Terminal};

/// Shows the events of an apply: a bar where somebody looks on, lines elsewhere, JSON for programs.
pub(crate) struct Progress<'a> {
    terminal: &'a Terminal,
    bar: Option<indicatif::ProgressBar>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        let looks_on = !terminal.json && !terminal.quiet && std::io::stderr().is_terminal();
        let bar = looks_on.then(|| {
            let style = indicatif::ProgressStyle::with_template("  [{elapsed}] {bar:30} {percent:>3}% {wide_msg}");
            indicatif::ProgressBar::new(100)
                .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        Self { terminal, bar }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        if self.terminal.json {
            return self.terminal.json_line(&as_json(event));
        }
        match event {
            Event::Started(_) => {}
            Event::Step { step, position, of, .. } => {
                let line = format!("[{position}/{of}] {}", printable(step.sql.as_str()));
                match &self.bar {
                    Some(bar) => {
                        bar.reset();
                        bar.set_message(line);
                    }
                    None => self.terminal.say(&line),
                }
            }
            Event::Progress(progress) => {
                if let Some(bar) = &self.bar {
                    bar.set_length(progress.total.max(1));
                    bar.set_position(progress.done);
                    bar.set_message(progress.phase.clone());
                }
            }
            Event::Waiting(blocker) => self.line(&format!("  waiting for {}", printable(&blocker.to_string()))),
            Event::Retry { attempt, pause } => {
                self.line(&format!("  no lock in time; attempt {} in {} ms", attempt + 1, pause.as_millis()));
            }
            Event::StepDone(took) => {
                if let Some(bar) = &self.bar {
                    self.line(&format!("  {} ({} ms)", bar.message(), took.as_millis()));
                } else {
                    self.terminal.detail(&format!("  {} ms", took.as_millis()));
                }
            }
            Event::CleanedUp(name) => self.line(&format!("  removed the INVALID index {name}")),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.terminal.say(line),
        }
    }
}

fn as_json(event: &Event<'_>) -> serde_json::Value {
    use serde_json::json;
    match event {
        Event::Started(run) => json!({ "event": "started", "run": run.0 }),
        Event::Step { change, step, position, of } => json!({
            "event": "step", "address": change.address, "sql": step.sql, "position": position, "of": of,
        }),
        Event::Progress(progress) => json!({
            "event": "progress", "phase": progress.phase, "done": progress.done, "total": progress.total,
        }),
        Event::Waiting(blocker) => json!({
            "event": "waiting", "pid": blocker.pid, "user": blocker.user, "application": blocker.application,
            "state": blocker.state, "query": blocker.query, "seconds": blocker.age,
        }),
        Event::Retry { attempt, pause } => {
            json!({ "event": "retry", "attempt": attempt, "pause_ms": millis(*pause) })
        }
        Event::StepDone(took) => json!({ "event": "step_done", "ms": millis(*took) }),
        Event::CleanedUp(name) => json!({ "event": "cleaned_up", "index": name }),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
