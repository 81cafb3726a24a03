//! Runs of the program, in a project directory of their own and without the caller's environment.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Database;

/// No run of a test takes this long, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A directory with the files of a project.
pub(crate) struct Project {
    dir: TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// Writes a file, and the folders on the way to it.
fn write_below(dir: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A project with one schema file.
    pub(crate) fn with(schema: impl AsRef<[u8]>) -> Self {
        let project = Self::new();
        project.write("schema/tables.yaml", schema);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write_below(self.path(), path, content);
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Runs the program on a database as its superuser.
    pub(crate) fn run(&self, database: &Database, args: &[&str]) -> Run {
        self.run_at(&database.url(), args)
    }

    pub(crate) fn run_at(&self, url: &str, args: &[&str]) -> Run {
        Run::of(self.command(args).env("DATABASE_URL", url))
    }

    /// The program in this directory, with nothing of the caller's environment but where programs are.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.args(args).current_dir(self.path()).env_clear().env("NO_COLOR", "1").env("HOME", self.path());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Plans and applies with everything allowed; it has to succeed.
    pub(crate) fn apply(&self, database: &Database) -> Run {
        self.run(database, &["apply", "--auto-approve", "--allow", "all"]).expect(0)
    }

    /// There is nothing left to do.
    pub(crate) fn expect_no_changes(&self, database: &Database) -> Run {
        let run = self.run(database, &["plan", "--detailed-exitcode"]).expect(0);
        assert!(run.stdout.ends_with("No changes. The database matches the declared state.\n"), "{run}");
        run
    }
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let begin = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let code = wait(&mut child);
        let run = Self { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), took: begin.elapsed() };
        assert!(run.code != 101 && !run.stderr.contains("panicked at"), "it panicked: {run}");
        run
    }

    /// It has to end with this code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "expected exit code {code}: {self}");
        self
    }

    /// It has to end with this code, and say this on standard error.
    pub(crate) fn expect_said(self, code: i32, words: &str) -> Self {
        let run = self.expect(code);
        assert!(run.stderr.contains(words), "expected `{words}`: {run}");
        run
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> i32 {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("a run hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
}
