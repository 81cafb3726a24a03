//! The arguments of the command line, as the specification defines them.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use reconcile_core::{address::Address, hazard::Hazard};

/// Declarative indexes for PostgreSQL: plans and applies the changes that make the live schema match the declared one.
#[derive(Debug, Parser)]
#[command(name = "reconcile", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Work in this directory
    #[arg(short = 'C', global = true, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// The project file, instead of reconcile.yaml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The database; the default is `DATABASE_URL`, then the project file, then the PG* variables
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// A target of the project file
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Print more: round trips, adopted objects
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Print only the result, and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new project with comments
    Init,
    /// Check the files without a database
    Validate,
    /// Write YAML from the live schema
    Import(ImportArgs),
    /// Show what apply would do
    Plan(PlanArgs),
    /// Print a saved plan
    Show(ShowArgs),
    /// Apply a saved plan, or plan, ask and apply
    Apply(ApplyArgs),
    /// List the runs, or show the steps of one
    History(HistoryArgs),
    /// Plan and apply the inverse of one run
    Rollback(RollbackArgs),
    /// Stop managing an object, and keep it
    Forget(ForgetArgs),
    /// Remove all managed objects, then reconcile's own schema
    Destroy(DestroyArgs),
    /// Run the applied retention rules now
    Retain(RetainArgs),
    /// Refresh the applied materialized views now, in the order in which they read each other
    Refresh(RefreshArgs),
    /// Run everything that is due: first the retention rules, then the refreshes
    Maintain,
    /// Walk through the whole cycle on a throwaway PostgreSQL
    Demo(DemoArgs),
    /// Print the JSON Schema of the YAML files, for editors
    JsonSchema,
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Only this schema; may be repeated
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) schema: Vec<String>,
    /// Only this table or materialized view; may be repeated
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Vec<String>,
    /// With `--prune`, also write tables without indexes of their own
    #[arg(long)]
    pub(crate) all: bool,
    /// Set `prune: true`, so that indexes that are not in the files are dropped
    #[arg(long)]
    pub(crate) prune: bool,
    /// The project directory to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// Save the plan for `apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Exit with 2 if there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FormatArgs {
    /// How to print the plan
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Markdown,
    Sql,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only this address; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) only: Vec<Address>,
    /// Everything except this address; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) exclude: Vec<Address>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// A plan that `plan --out` wrote
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// A plan that `plan --out` wrote
    #[arg(conflicts_with_all = ["only", "exclude"])]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    #[command(flatten)]
    pub(crate) parallel: ParallelArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct ApprovalArgs {
    /// Do not ask for approval
    #[arg(long)]
    pub(crate) auto_approve: bool,
    /// Hazards to allow: their names, or `all`
    #[arg(long, value_name = "HAZARD", value_delimiter = ',', value_parser = allowed)]
    pub(crate) allow: Vec<Allow>,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct ParallelArgs {
    /// How many builds run at the same time, each on another table; the default is that of the project file, or 1
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<NonZeroU32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// The number of a run, to see its steps
    pub(crate) run: Option<i64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// The number of the run, as `history` lists it
    pub(crate) run: i64,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    #[command(flatten)]
    pub(crate) parallel: ParallelArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// The addresses of managed objects, as in `index/schema.table/name`
    #[arg(value_name = "ADDR", required = true)]
    pub(crate) addresses: Vec<Address>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetainArgs {
    /// Tables of applied rules; the default is all of them
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Count exactly the rows that would go, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Move rows of this rule's table back from its archive
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["tables", "dry_run"], requires_all = ["from", "to"])]
    pub(crate) restore: Option<String>,
    /// The first point in time to restore
    #[arg(long, value_name = "T", requires = "restore")]
    pub(crate) from: Option<String>,
    /// The end of the time range to restore, which is not restored itself
    #[arg(long, value_name = "T", requires = "restore")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RefreshArgs {
    /// Applied materialized views; the default is all of them
    #[arg(value_name = "VIEW")]
    pub(crate) views: Vec<String>,
    /// Only views that are older than their schedule allows, or were never filled
    #[arg(long)]
    pub(crate) stale: bool,
}

/// A value of `--allow`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allow {
    All,
    One(Hazard),
}

fn allowed(text: &str) -> Result<Allow, String> {
    if text == "all" { Ok(Allow::All) } else { text.parse().map(Allow::One) }
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Keep the server running until Ctrl-C, to look around
    #[arg(long)]
    pub(crate) keep: bool,
    /// Load a few hundred rows instead of hundreds of thousands
    #[arg(long)]
    pub(crate) small: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
