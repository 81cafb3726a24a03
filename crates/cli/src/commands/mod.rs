//! The commands, a file each; those of a few lines are here.

pub(crate) mod apply;
pub(crate) mod demo;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod show;
pub(crate) mod validate;

use clap::CommandFactory as _;

use crate::{
    args::{Args, CompletionsArgs},
    error::{Exit, Failure},
    terminal::Terminal,
};

/// Prints the JSON Schema of the files.
pub(crate) fn json_schema(terminal: &Terminal) -> Result<Exit, Failure> {
    match serde_json::to_string_pretty(&reconcile_config::json_schema()) {
        Ok(text) => terminal.print(&format!("{text}\n")),
        Err(error) => return Err(Failure::other(error.to_string())),
    }
    Ok(Exit::Done)
}

/// Prints completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs, terminal: &Terminal) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "reconcile", &mut script);
    terminal.print(&String::from_utf8_lossy(&script));
    Exit::Done
}
