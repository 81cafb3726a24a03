//! Measures retention beside what people write by hand, on one server that keeps its promises (fsync and all): rows per
//! second, the longest transaction, and how long a client on the same table waits meanwhile.
//!
//! Each contender has a fresh copy of the same table, all of it in memory, right after a checkpoint. Contenders take
//! turns, every other round backwards.

mod client;
mod contender;
mod ground;
mod report;
mod samples;
mod table;
mod transactions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use self::{
    client::{Client, PgBench},
    contender::Contender,
    ground::Ground,
    report::Report,
    samples::{Sample, Samples},
};
use crate::{
    args::DeletesArgs,
    failure::Failure,
    measure,
    programs::{Programs, command},
    progress::timed,
};

/// How long the client works before and after a contender.
const MARGIN: Duration = Duration::from_millis(500);

/// A benchmark under way.
struct Bench<'a> {
    programs: &'a Programs,
    args: &'a DeletesArgs,
    ground: Ground,
    client: Option<PgBench>,
    directory: TempDir,
}

/// Measures each part of expired rows; gives what is to be printed.
pub(crate) fn run(programs: &Programs, args: &DeletesArgs, json: bool) -> Result<String, Failure> {
    let client = if args.alone { None } else { Some(PgBench::find(programs)?) };
    let directory = TempDir::new().map_err(Failure::io("create", &std::env::temp_dir()))?;
    let ground = Ground::prepare(programs, args.rows, args.shuffled)?;
    let bench = Bench { programs, args, ground, client, directory };
    let reports = args.expired.iter().map(|&percent| bench.part(percent)).collect::<Result<Vec<_>, _>>()?;
    Ok(if json { report::json(&reports) } else { table::text(&reports) })
}

impl Bench<'_> {
    fn part(&self, percent: u32) -> Result<Report, Failure> {
        let expired = self.ground.expired(percent)?;
        let mut samples = Samples::default();
        for round in 1..=self.args.runs {
            let mut order = Contender::ALL.to_vec();
            order.retain(|contender| self.client.is_some() || *contender != Contender::Nobody);
            if round % 2 == 0 {
                order.reverse();
            }
            for contender in order {
                let what = format!("{percent} %, round {round} of {}: {}", self.args.runs, contender.title());
                samples.add(contender, timed(&what, || self.turn(contender, percent, expired))?);
            }
        }
        Ok(Report {
            rows: self.args.rows,
            expired,
            percent,
            shuffled: self.args.shuffled,
            bytes: self.ground.bytes()?,
            server: self.ground.version().to_owned(),
            runs: self.args.runs,
            samples,
        })
    }

    /// One contender on a fresh copy.
    fn turn(&self, contender: Contender, percent: u32, expired: u64) -> Result<Sample, Failure> {
        let url = self.ground.fresh()?;
        let project = self.project(contender, percent)?;
        if contender.is_product() {
            self.apply(&url, &project)?;
        }
        self.ground.settle()?;
        let client = self.client.as_ref().map(|client| client.start(&url, self.ground.young())).transpose()?;
        if client.is_some() {
            sleep(MARGIN);
        }
        let mut contending = contender.command(self.programs, &logged(&url), &project, percent, expired);
        let logged_before = self.ground.log_length();
        let began = SystemTime::now();
        let usage = measure::run(&mut contending)?;
        let ended = SystemTime::now();
        let latencies = client.map(|client| latencies(client, began, ended)).transpose()?.unwrap_or_default();
        if contender != Contender::Nobody {
            self.ground.check(percent, expired, contender.archives())?;
        }
        let transactions = transactions::read(&self.ground.log_from(logged_before)?);
        Ok(Sample { usage, transactions, latencies })
    }

    fn apply(&self, url: &str, project: &Path) -> Result<(), Failure> {
        let mut apply = command(&self.programs.reconcile);
        apply.args(["apply", "--auto-approve", "--allow", "deletes_data", "--database-url", url, "-C"]).arg(project);
        measure::run(&mut apply).map(drop)
    }

    /// Writes the project and the script of a contender.
    fn project(&self, contender: Contender, percent: u32) -> Result<PathBuf, Failure> {
        let directory = self.directory.path().join(format!("{}_{percent}", contender.key()));
        let schema = directory.join("schema");
        fs::create_dir_all(&schema).map_err(Failure::io("create", &schema))?;
        let files = [("reconcile.yaml", "version: 1\n".to_owned()), ("schema/event.yaml", contender.rule(percent))];
        for (name, text) in files {
            let path = directory.join(name);
            fs::write(&path, text).map_err(Failure::io("write", &path))?;
        }
        Ok(directory)
    }
}

/// What the client waited for while a contender was at work.
fn latencies(client: Client, began: SystemTime, ended: SystemTime) -> Result<Vec<Duration>, Failure> {
    sleep(MARGIN);
    client.end(began, ended)
}

/// The same place, where the server logs how long each message of a client took.
fn logged(url: &str) -> String {
    format!("{url}&options=-c%20log_duration%3Don")
}

/// `psql`, reading a file.
fn psql(programs: &Programs, url: &str) -> Command {
    let mut psql = command(&programs.psql);
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]);
    psql
}
