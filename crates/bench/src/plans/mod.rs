//! Measures plans over many tables, beside `psql` reading the same catalogs: time, memory, round trips.

mod baseline;
mod project;
mod report;
mod size;
mod subject;
mod table;
mod workload;

use std::io::stdin;

use self::size::Size;
use crate::{args::PlansArgs, failure::Failure, programs::Programs};

/// Measures each size on a server of its own; gives what is to be printed.
pub(crate) fn run(programs: &Programs, args: &PlansArgs, json: bool) -> Result<String, Failure> {
    let mut reports = Vec::new();
    for &tables in &args.tables {
        let size = Size::prepare(programs, tables)?;
        reports.push(size.measure(args.runs)?);
        if args.hold {
            hold(&size);
        }
    }
    Ok(if json { report::json(&reports) } else { table::text(&reports) })
}

/// Keeps the server of one size running until a line comes, or standard input ends.
fn hold(size: &Size) {
    eprintln!("{}", size.commands());
    eprintln!("press Enter to go on");
    drop(stdin().read_line(&mut String::new()));
}
