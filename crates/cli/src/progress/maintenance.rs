//! Shows the progress of a retention rule, and which view is refreshed. Programs read each operation when it ends.

use indicatif::ProgressBar;
use reconcile_maintain::event::{Event, Operation};

use super::Display;
use reconcile_render::printable;

use crate::terminal::Terminal;

/// The template of a bar.
const ROWS: &str = "  [{elapsed}] {bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left  {wide_msg}";

/// Shows the events of a run.
pub(crate) struct MaintenanceProgress<'a> {
    display: Display<'a>,
    /// The rows done, and the estimate of all rows.
    bar: Option<ProgressBar>,
}

impl<'a> MaintenanceProgress<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        Self { display: Display::new(terminal), bar: None }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { operation, rows } => {
                let what = words(operation);
                self.bar = self.display.bar(*rows, ROWS, what.clone());
                if self.bar.is_none() {
                    self.display.line(&format!("{what}: about {rows} rows"));
                }
            }
            Event::RefreshStarted(operation) => self.display.line(&words(operation)),
            Event::RowsDone(rows) => {
                if let Some(bar) = &self.bar {
                    // The estimate was too low.
                    bar.set_length(bar.length().unwrap_or(0).max(*rows));
                    bar.set_position(*rows);
                }
            }
            Event::Waiting(reason) => self.display.line(&format!("  waiting: {}", printable(reason))),
            Event::Finished(operation) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                if self.display.terminal.json {
                    self.display.terminal.json_line(&serde_json::json!(operation));
                }
            }
        }
    }
}

fn words(operation: &Operation) -> String {
    format!("{} of {}", operation.action, printable(operation.subject.name()))
}
