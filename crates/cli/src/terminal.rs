//! Writes output to its stream, with or without colours, for people or for programs.

use std::io::{IsTerminal as _, Write as _};

use anstream::ColorChoice;

use crate::{
    args::{Color, Global},
    error::Failure,
};

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
    choice: ColorChoice,
}

impl Terminal {
    pub(crate) fn new(global: &Global) -> Self {
        let choice = match global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        choice.write_global();
        Self { json: global.json, verbose: global.verbose, quiet: global.quiet, choice }
    }

    /// Whether standard output shows colours. It depends on `NO_COLOR` and on the kind of terminal.
    pub(crate) fn colors(&self) -> bool {
        match self.choice {
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !matches!(anstream::AutoStream::choice(&std::io::stdout()), ColorChoice::Never),
        }
    }

    /// Whether there is somebody to ask.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Prints a result.
    #[expect(
        clippy::unused_self,
        reason = "only code that has the terminal may print, although its streams belong to the process"
    )]
    pub(crate) fn print(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        // A reader that closed the pipe, as `head` does, needs no more output.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Prints a value as one line of JSON.
    pub(crate) fn json_line(&self, value: &serde_json::Value) {
        self.print(&format!("{value}\n"));
    }

    /// Prints a message about the progress, which is not part of the result.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet && !self.json {
            drop(writeln!(anstream::stderr().lock(), "{line}"));
        }
    }

    /// Prints a detail, which is shown only with `--verbose`.
    pub(crate) fn detail(&self, line: &str) {
        if self.verbose {
            self.say(line);
        }
    }

    /// Prints why a command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let value = match failure {
                Failure::Problems(problems) => {
                    serde_json::json!({ "problems": problems.files.to_json(&problems.problems) })
                }
                Failure::Said { message, hint, .. } => serde_json::json!({ "error": message, "hint": hint }),
            };
            return self.json_line(&value);
        }
        let text = match failure {
            Failure::Problems(problems) => problems.files.render(&problems.problems, self.error_colors()),
            Failure::Said { message, hint, .. } => {
                let hint = hint.as_ref().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
                format!("error: {message}\n{hint}")
            }
        };
        drop(anstream::stderr().lock().write_all(text.as_bytes()));
    }

    fn error_colors(&self) -> bool {
        match self.choice {
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !matches!(anstream::AutoStream::choice(&std::io::stderr()), ColorChoice::Never),
        }
    }
}
