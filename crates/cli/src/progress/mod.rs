//! Shows progress: bars on a terminal, lines elsewhere. `apply` and `maintenance` choose what an event shows.

pub(crate) mod apply;
pub(crate) mod maintenance;

use std::io::IsTerminal as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal::Terminal;

/// Shows lines, and on a terminal bars below them.
struct Display<'a> {
    terminal: &'a Terminal,
    bars: Option<MultiProgress>,
}

impl<'a> Display<'a> {
    fn new(terminal: &'a Terminal) -> Self {
        let shows_bars = !terminal.json && !terminal.quiet && std::io::stderr().is_terminal();
        Self { terminal, bars: shows_bars.then(MultiProgress::new) }
    }

    /// Adds a line.
    fn line(&self, line: &str) {
        match &self.bars {
            // If the terminal does not exist any more, nobody reads.
            Some(bars) => drop(bars.println(line)),
            None => self.terminal.say(line),
        }
    }

    /// Adds a bar with a template of `indicatif`. `None` if there is no terminal to show it on.
    fn bar(&self, length: u64, template: &str, message: String) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.as_ref()?.add(ProgressBar::new(length).with_style(style));
        bar.set_message(message);
        Some(bar)
    }

    /// Removes all bars.
    fn clear(&self) {
        if let Some(bars) = &self.bars {
            // If the terminal does not exist any more, there is nothing to clear.
            drop(bars.clear());
        }
    }
}
