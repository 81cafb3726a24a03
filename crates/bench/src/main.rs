//! Measures `reconcile` against its budgets on throwaway servers: plans over many tables, and retention beside what
//! people write by hand. Builds nothing, and judges nothing: the tables say which budgets were kept, the exit code only
//! whether it ran.

mod args;
mod failure;
mod figure;
mod measure;
mod plans;
mod programs;
mod progress;
mod retention;

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{Args, What},
    failure::Failure,
    programs::Programs,
};

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
    let text = match &args.what {
        None => plans::run(&programs, &args.plans, args.json)?,
        Some(What::Plans(plans)) => plans::run(&programs, plans, args.json)?,
        Some(What::Deletes(deletes)) => retention::run(&programs, deletes, args.json)?,
    };
    // A reader that closed the pipe, as `head` does, has seen enough.
    drop(stdout().lock().write_all(text.as_bytes()));
    Ok(())
}
