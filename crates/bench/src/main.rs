//! Measures `reconcile` over many tables, beside `psql` reading the same catalogs: time, memory, round trips.
//! Builds nothing, and judges nothing: the table says which budgets were kept, the exit code only whether it ran.

mod args;
mod baseline;
mod failure;
mod measure;
mod programs;
mod project;
mod report;
mod size;
mod subject;
mod table;
mod workload;

use std::io::{Write as _, stdin, stdout};
use std::process::ExitCode;

use clap::Parser as _;

use crate::{args::Args, failure::Failure, programs::Programs, size::Size};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let programs = Programs::find(args.program.as_deref())?;
    let mut reports = Vec::new();
    for &tables in &args.tables {
        let size = Size::prepare(&programs, tables)?;
        reports.push(size.measure(args.runs)?);
        if args.hold {
            hold(&size);
        }
    }
    let text = if args.json { report::json(&reports) } else { table::text(&reports) };
    // A reader that closed the pipe, as `head` does, has seen enough.
    drop(stdout().lock().write_all(text.as_bytes()));
    Ok(())
}

/// Keeps the server of one size running until a line comes, or standard input ends.
fn hold(size: &Size) {
    eprintln!("{}", size.commands());
    eprintln!("press Enter to go on");
    drop(stdin().read_line(&mut String::new()));
}

/// Says what goes on.
fn progress(line: &str) {
    eprintln!("{line}");
}
