//! A session of somebody else's: a `psql` that stays, and answers one question after the other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use reconcile_scratch::Installation;

/// What `psql` is asked to say after each answer.
const END: &str = "-- end of the answer --";

/// Its transaction stays open between questions; its connection ends with this.
pub(super) struct Visitor {
    psql: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Visitor {
    pub(super) fn new(installation: &Installation, url: &str) -> Self {
        let mut command = Command::new(installation.program("psql").expect("psql is on this machine"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]).env("PGAPPNAME", "visitor");
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (psql.stdin.take().unwrap(), BufReader::new(psql.stdout.take().unwrap()));
        Self { psql, questions, answers }
    }

    /// The rows of some statements, columns parted by `|`. One that fails ends the visit, and the test.
    pub(super) fn ask(&mut self, sql: &str) -> String {
        self.send(sql);
        let mut rows = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "no answer to {sql}");
            if line.trim_end() == END {
                return rows.trim_end_matches('\n').to_owned();
            }
            rows.push_str(&line);
        }
    }

    /// Asks, and does not wait for the answer.
    pub(super) fn send(&mut self, sql: &str) {
        writeln!(self.questions, "{sql};\n\\echo {END}").unwrap();
        self.questions.flush().unwrap();
    }

    /// Its backend's process, as messages name it.
    pub(super) fn pid(&mut self) -> String {
        self.ask("SELECT pg_backend_pid()")
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

/// Tells the visitors of a scope that it is over when this is dropped, so also when their test fails: a scope waits for
/// its threads.
pub(super) struct EndOf<'a>(pub(super) &'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
