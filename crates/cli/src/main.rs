//! The command line of reconcile: reads arguments, calls the crates, shows their results, ends with the exit codes
//! of the specification. Contains no SQL and makes no decisions.

mod approval;
mod args;
mod commands;
mod error;
mod interrupt;
mod maintenance;
mod options;
mod plan_mode;
mod progress;
mod project;
mod staleness;
mod tables;
mod terminal;
mod workflow;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{Args, Command},
    error::{Exit, Failure},
    terminal::Terminal,
};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // If even this cannot be printed, nothing else can be done.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let terminal = Terminal::new(&args.global);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args, &terminal)),
        Err(error) => Err(Failure::other(format!("cannot start: {error}"))),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal.failure(&failure);
            failure.exit().into()
        }
    }
}

async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let global = args.global;
    match args.command {
        Command::Init => commands::init::run(&global, terminal),
        Command::Validate => commands::validate::run(&global, terminal),
        Command::Import(args) => commands::import::run(&global, &args, terminal).await,
        Command::Plan(args) => commands::plan::run(&global, &args, terminal).await,
        Command::Show(args) => commands::show::run(&args, &global, terminal),
        Command::Apply(args) => commands::apply::run(&global, &args, terminal).await,
        Command::History(args) => commands::history::run(&global, &args, terminal).await,
        Command::Rollback(args) => commands::rollback(&global, &args, terminal).await,
        Command::Forget(args) => commands::forget(&global, &args, terminal).await,
        Command::Destroy(args) => commands::destroy(&global, &args, terminal).await,
        Command::Retain(args) => commands::retain::run(&global, &args, terminal).await,
        Command::Refresh(args) => commands::refresh::run(&global, &args, terminal).await,
        Command::Maintain => commands::maintain::run(&global, terminal).await,
        Command::Demo(args) => commands::demo::run(&args, terminal).await,
        Command::JsonSchema => commands::json_schema(terminal),
        Command::Completions(args) => Ok(commands::completions(&args, terminal)),
    }
}
