//! The arguments.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

/// What the smallest project declares, and the changed one changes, must be there.
pub(crate) const FEWEST_TABLES: u32 = 20;

/// Measures reconcile against its budgets, on throwaway servers; plans, unless told otherwise.
#[derive(Debug, Parser)]
#[command(name = "reconcile-bench", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    #[command(flatten)]
    pub(crate) plans: PlansArgs,
    /// Measure this program, instead of the `reconcile` beside this one
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Print for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Plans over many tables, beside psql reading the same catalogs
    Plans(PlansArgs),
    /// What a retention rule deletes, beside one DELETE and a loop of DELETEs with a LIMIT, with a client at work on it
    #[command(name = "retention")]
    Deletes(DeletesArgs),
}

#[derive(Debug, Group)]
pub(crate) struct PlansArgs {
    /// How many tables, of 4 declared indexes each; a server for each number
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100,1000,5000",
        value_parser = clap::value_parser!(u32).range(i64::from(FEWEST_TABLES)..=99_999))]
    pub(crate) tables: Vec<u32>,
    /// Rounds that count, after one that does not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Keep each server until Enter is pressed, and print the measured commands: to profile them
    #[arg(long)]
    pub(crate) hold: bool,
}

#[derive(Debug, Group)]
pub(crate) struct DeletesArgs {
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(10_000..))]
    pub(crate) rows: u32,
    /// Percents of the rows that are expired
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "5,50",
        value_parser = clap::value_parser!(u32).range(1..=80))]
    pub(crate) expired: Vec<u32>,
    /// Rounds; each runs every contender once, on a fresh copy of the table
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Rows lie in the table in no order, instead of the order of their time
    #[arg(long)]
    pub(crate) shuffled: bool,
    /// Without the client beside
    #[arg(long)]
    pub(crate) alone: bool,
}
