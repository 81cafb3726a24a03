//! A client at work on the same table: `pgbench`, which reads a young row and updates it, so many times a second. How
//! long each took counts from when it was due, so that waiting for a slow one before it counts as well.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::ground::{Young, key};
use crate::{
    failure::Failure,
    programs::{Programs, command},
};

/// Transactions per second.
const RATE: u32 = 200;

/// Longer than any contender takes; it is ended before.
const SECONDS: u32 = 3600;

/// The program.
#[derive(Clone, Debug)]
pub(crate) struct PgBench(PathBuf);

/// At work. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    process: Child,
    directory: TempDir,
}

impl PgBench {
    /// Errors if there is none on this machine.
    pub(crate) fn find(programs: &Programs) -> Result<Self, Failure> {
        programs.installation.program("pgbench").map(Self).ok_or_else(|| {
            Failure::new("`pgbench` not found: it is the client beside")
                .hint("install postgresql's contributed programs, or measure without a client: --alone")
        })
    }

    pub(crate) fn start(&self, url: &str, young: Young) -> Result<Client, Failure> {
        let directory = TempDir::new().map_err(Failure::io("create", &std::env::temp_dir()))?;
        let script = directory.path().join("script.sql");
        fs::write(&script, script_sql(young)).map_err(Failure::io("write", &script))?;
        let mut pgbench = command(&self.0);
        pgbench.args(["-n", "-c", "1", "-M", "prepared", "-l"]);
        pgbench.args(["-R", &RATE.to_string(), "-T", &SECONDS.to_string()]);
        pgbench.arg("--log-prefix").arg(directory.path().join("log")).arg("-f").arg(&script).arg(url);
        let process = pgbench.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.map_err(|error| Failure::new(format!("pgbench: {error}")))?;
        Ok(Client { process, directory })
    }
}

impl Client {
    /// Ends it, and gives how long each transaction took of which some lay between two points in time.
    pub(crate) fn end(mut self, from: SystemTime, to: SystemTime) -> Result<Vec<Duration>, Failure> {
        // The alarm is its own, for the end of `-T`: it finishes in order, and writes its log.
        let id = self.process.id().to_string();
        let failed = |error: std::io::Error| Failure::new(format!("pgbench: {error}"));
        Command::new("kill").args(["-ALRM", &id]).status().map_err(failed)?;
        let status = self.process.wait().map_err(failed)?;
        if !status.success() {
            return Err(Failure::new(format!("pgbench failed ({status})")));
        }
        let log = self.directory.path().join(format!("log.{id}"));
        let log = fs::read_to_string(&log).map_err(Failure::io("read", &log))?;
        Ok(log
            .lines()
            .filter_map(transaction)
            .filter(|one| one.ended > from && one.began() < to)
            .map(|one| one.took)
            .collect())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Nothing happens to one that has ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn script_sql(young: Young) -> String {
    let (key, Young { first, last }) = (key(":number"), young);
    format!(
        "\\set number random({first}, {last})
BEGIN;
SELECT account_id, kind, payload FROM event WHERE id = {key};
UPDATE event SET attempts = attempts + 1 WHERE id = {key};
COMMIT;
"
    )
}

struct Transaction {
    took: Duration,
    ended: SystemTime,
}

impl Transaction {
    fn began(&self) -> SystemTime {
        self.ended - self.took
    }
}

/// A line of its log: client, number, microseconds from when it was due, script, seconds and microseconds of its end.
fn transaction(line: &str) -> Option<Transaction> {
    let mut fields = line.split(' ').map(|field| field.parse::<u64>().ok());
    let mut field = |skipped: usize| fields.nth(skipped)?;
    let took = Duration::from_micros(field(2)?);
    let ended = UNIX_EPOCH + Duration::from_secs(field(1)?) + Duration::from_micros(field(0)?);
    Some(Transaction { took, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_tells_when_a_transaction_ended() {
        let one = transaction("0 12 1500 0 1718000000 250000 40").expect("a line");
        assert_eq!(one.took, Duration::from_micros(1500));
        assert_eq!(one.ended, UNIX_EPOCH + Duration::from_millis(1_718_000_000_250));
    }
}
