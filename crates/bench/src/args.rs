//! The arguments.

use std::path::PathBuf;

use clap::Parser;

use crate::workload::FEWEST_TABLES;

/// Measures plans over many tables against the budgets, on throwaway servers.
#[derive(Debug, Parser)]
#[command(name = "reconcile-bench", version, max_term_width = 100)]
pub(crate) struct Args {
    /// How many tables, of 4 declared indexes each; a server for each number
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100,1000,5000",
        value_parser = clap::value_parser!(u32).range(i64::from(FEWEST_TABLES)..=99_999))]
    pub(crate) tables: Vec<u32>,
    /// Rounds that count, after one that does not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Measure this program, instead of the `reconcile` beside this one
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Keep each server until Enter is pressed, and print the measured commands: to profile them
    #[arg(long)]
    pub(crate) hold: bool,
    /// Print for programs
    #[arg(long)]
    pub(crate) json: bool,
}
