//! Shows how far a retention rule is: a bar where somebody looks on, lines elsewhere; and which view is refreshed.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use reconcile_maintain::event::Event;

use crate::{render::printable, terminal::Terminal};

/// Rows gone, of about how many.
pub(crate) struct RowProgress<'a> {
    terminal: &'a Terminal,
    looks_on: bool,
    bar: Option<ProgressBar>,
}

impl<'a> RowProgress<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        let looks_on = !terminal.json && !terminal.quiet && std::io::stderr().is_terminal();
        Self { terminal, looks_on, bar: None }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { operation, rows } => {
                let what = format!("{} of {}", operation.action, printable(operation.subject.name()));
                if self.looks_on {
                    self.bar = Some(bar(*rows, what));
                } else {
                    self.terminal.say(&format!("{what}: about {rows} rows"));
                }
            }
            Event::RefreshStarted(operation) => {
                self.line(&format!("{} of {}", operation.action, printable(operation.subject.name())));
            }
            Event::RowsDone(rows) => {
                if let Some(bar) = &self.bar {
                    // What was an estimate is known to be too low.
                    bar.set_length(bar.length().unwrap_or(0).max(*rows));
                    bar.set_position(*rows);
                }
            }
            Event::Waiting(reason) => self.line(&format!("  waiting: {}", printable(reason))),
            Event::Finished(_) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.terminal.say(line),
        }
    }
}

fn bar(rows: u64, what: String) -> ProgressBar {
    const TEMPLATE: &str = "  [{elapsed}] {bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left  {wide_msg}";
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rows).with_style(style).with_message(what)
}
