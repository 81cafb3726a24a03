//! One size: a server with so many tables, the projects that declare them, and the rounds that are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reconcile_scratch::{Options, Server};
use tempfile::TempDir;

use super::{
    baseline,
    project::{self, Variant},
    report::Report,
    subject::{Samples, Subject},
    workload,
};
use crate::{
    failure::Failure,
    measure::{self, Usage},
    programs::{Programs, command},
    progress::timed,
};

const DATABASE: &str = "bench";

/// Ready to be measured. The server and all files are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Size<'a> {
    programs: &'a Programs,
    tables: u32,
    url: String,
    directory: TempDir,
    first_apply: Usage,
    server: Server,
}

impl<'a> Size<'a> {
    /// Starts a server, creates the tables, writes the projects, and adopts what they declare.
    pub(crate) fn prepare(programs: &'a Programs, tables: u32) -> Result<Self, Failure> {
        // Nothing may run beside what is measured: statistics are gathered here, once.
        let server = Server::start(&programs.installation, Options::default().with("autovacuum", "off"))?;
        let url = server.create_database(DATABASE)?;
        timed(&format!("{tables} tables: create"), || {
            server.psql(DATABASE, &workload::create_sql(tables))?;
            Ok(server.psql(DATABASE, "VACUUM ANALYZE")?)
        })?;
        let directory = TempDir::new().map_err(Failure::io("create", &std::env::temp_dir()))?;
        write_files(directory.path(), tables, server.installation().major())?;
        let apply = |variant| measure::run(&mut apply(programs, &url, &project_of(directory.path(), variant)));
        let first_apply = timed("  first apply, which adopts them", || apply(Variant::Same))?;
        apply(Variant::Few)?;
        // The registry is new, and is joined with the catalogs.
        server.psql(DATABASE, "VACUUM ANALYZE")?;
        Ok(Self { programs, tables, url, directory, first_apply, server })
    }

    /// Runs one round that does not count, then those that do, every other one backwards.
    pub(crate) fn measure(&self, runs: u32) -> Result<Report, Failure> {
        let mut samples = Samples::default();
        for round in 0..=runs {
            let mut order = Subject::ALL;
            if round % 2 == 0 {
                order.reverse();
            }
            let round_of = timed(&format!("  round {round} of {runs}"), || self.round(&order))?;
            if round > 0 {
                for (subject, usage) in round_of {
                    samples.add(subject, usage);
                }
            }
        }
        Ok(Report {
            tables: self.tables,
            server: self.server.installation().version().to_owned(),
            runs,
            first_apply: self.first_apply.clone(),
            samples,
        })
    }

    fn round(&self, order: &[Subject]) -> Result<Vec<(Subject, Usage)>, Failure> {
        order.iter().map(|&subject| Ok((subject, measure::run(&mut self.command(subject))?))).collect()
    }

    /// The commands that are measured, to be run by hand.
    pub(crate) fn commands(&self) -> String {
        let line = |subject| format!("{}: {:?}", Subject::title(subject), self.command(subject));
        Subject::ALL.map(line).join("\n")
    }

    fn command(&self, subject: Subject) -> Command {
        match subject {
            Subject::NoChange => self.plan(Variant::Same),
            Subject::TenChanges => self.plan(Variant::Changed),
            Subject::FewTables => self.plan(Variant::Few),
            Subject::BulkRead => self.psql(&bulk_file(self.directory.path())),
            Subject::CatalogQueries => self.psql(&catalog_file(self.directory.path())),
            Subject::Version => {
                let mut version = command(&self.programs.reconcile);
                version.arg("--version");
                version
            }
        }
    }

    fn plan(&self, variant: Variant) -> Command {
        let mut plan = command(&self.programs.reconcile);
        plan.args(["plan", "-v", "--database-url", &self.url, "-C"]).arg(project_of(self.directory.path(), variant));
        plan
    }

    fn psql(&self, file: &Path) -> Command {
        let mut psql = command(&self.programs.psql);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", &self.url, "-f"])
            .arg(file);
        psql
    }
}

fn write_files(directory: &Path, tables: u32, server_major: u32) -> Result<(), Failure> {
    for variant in [Variant::Same, Variant::Changed, Variant::Few] {
        project::write(&project_of(directory, variant), variant, tables)?;
    }
    let files = [
        (bulk_file(directory), baseline::bulk_sql()),
        (catalog_file(directory), baseline::catalog_sql(tables, server_major)),
    ];
    files.iter().try_for_each(|(path, sql)| fs::write(path, sql).map_err(Failure::io("write", path)))
}

fn project_of(directory: &Path, variant: Variant) -> PathBuf {
    directory.join(match variant {
        Variant::Same => "same",
        Variant::Changed => "changed",
        Variant::Few => "few",
    })
}

fn bulk_file(directory: &Path) -> PathBuf {
    directory.join("bulk.sql")
}

fn catalog_file(directory: &Path) -> PathBuf {
    directory.join("catalog.sql")
}

fn apply(programs: &Programs, url: &str, project: &Path) -> Command {
    let mut apply = command(&programs.reconcile);
    apply.args(["apply", "--auto-approve", "--database-url", url, "-C"]).arg(project);
    apply
}
