//! Runs the case folders: `cases/AREA/NAME/`. A new behaviour is a new folder.
//!
//! | file | what it is |
//! |---|---|
//! | `before.sql` | makes the database |
//! | `first/` | a project that is applied first, with everything allowed |
//! | `between.sql` | what happens to the database after that |
//! | `reconcile.yaml`, `schema/` | the project of the case |
//! | `live.json` | the live side on the newest of its versions, which `replay.rs` plans from without a server |
//! | `plan.txt` | what `plan --detailed-exitcode` prints, and its exit code |
//! | `flags` | the flags of `apply` |
//! | `apply.txt` | what `apply` says where it does not succeed, and its exit code |
//! | `after.txt` | every object after an apply that was not refused: `common/indexes.sql`, then `common/objects.sql` |
//! | `notes.txt` | the second plan, where it says more than that nothing changes |
//! | `later.sql`, `later.txt` | what happens to the database after that, and what the plan then is |
//! | `versions` | the versions of PostgreSQL to run on, such as `15-18`; the oldest and the newest where it is missing |
//!
//! After each apply that succeeds there has to be nothing left to do, no INVALID index that was not there before, and
//! no remnant. What is refused must leave every object as it was.
//!
//! Each folder is one test for each version, named like `matview/replace::17`:
//!
//! - `cargo test --test cases matview/replace` runs the tests whose name holds the text;
//! - `cargo test --test cases -- --exact matview/replace::17` runs one, and `-- --list` shows all names;
//! - `CASE_VERSION=16` has every folder that may run on that version run there, and nowhere else. Without it, a folder that
//!   has no `versions` has no test for the versions in between;
//! - `UPDATE_CASES=1` writes the expectations, and the live side where it no longer leads to the plan.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[expect(dead_code, reason = "the other tests of the whole program share it, and use the rest")]
mod common;
#[path = "common/folders.rs"]
mod folders;
#[path = "common/recorder.rs"]
mod recorder;
#[path = "common/replay.rs"]
mod replay;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use libtest_mimic::{Arguments, Trial};

use crate::common::{Database, Project, Run, Version, newest, versions};

/// More than the cores of a small machine: a case waits for its server most of the time.
const THREADS: usize = 4;

/// Stale, not approved, locked out: nothing was written.
const REFUSED: [i32; 3] = [3, 4, 6];

/// What the line of an object that no apply may leave holds.
const REMNANTS: [&str; 4] = [" INVALID", " NOT READY", "reconcile_new_", "reconcile_old_"];

/// Every object that can be declared, and what comes and goes with one.
const OBJECTS: &str = concat!(include_str!("common/indexes.sql"), include_str!("common/objects.sql"));

/// The database's name in expectations and recordings.
const DATABASE: &str = "DATABASE";

const NOTHING: &str = "No changes. The database matches the declared state.\n";

/// The servers end with this process: each has a guard that sees its end.
fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let trials: Vec<_> = folders::cases().iter().flat_map(|folder| jobs(folder)).map(Job::into_trial).collect();
    assert!(!trials.is_empty(), "no case runs on the versions of PostgreSQL here, or on that of CASE_VERSION");
    libtest_mimic::run(&args, trials).exit_code()
}

fn jobs(folder: &Path) -> Vec<Job> {
    let only = env::var("CASE_VERSION").ok().map(|major| major.parse::<u32>().unwrap());
    let range = fs::read_to_string(folder.join("versions")).ok().map(|range| {
        let (first, last) = range.trim().split_once('-').unwrap();
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    });
    let ends = [versions()[0].major(), newest().major()];
    let runs_on = |major: u32| match (&range, only) {
        (Some(range), only) => range.contains(&major) && only.is_none_or(|only| only == major),
        (None, Some(only)) => only == major,
        (None, None) => ends.contains(&major),
    };
    let versions: Vec<_> = versions().iter().filter(|version| runs_on(version.major())).collect();
    let last = versions.len().saturating_sub(1);
    let job = |(position, version)| Job { folder: folder.to_owned(), version, records: position == last };
    versions.into_iter().enumerate().map(job).collect()
}

/// One case on one version.
struct Job {
    folder: PathBuf,
    version: &'static Version,
    /// One version of a folder records.
    records: bool,
}

impl Job {
    fn into_trial(self) -> Trial {
        let name = format!("{}::{}", folders::name(&self.folder), self.version.major());
        Trial::test(name, move || {
            self.run();
            Ok(())
        })
    }

    fn run(&self) {
        let (database, project) = (Database::new(self.version), Project::new());
        self.prepare(&database, &project);
        let before = database.sql(OBJECTS);
        let plan = project.run(&database, &["plan", "--detailed-exitcode"]);
        self.expect("plan.txt", &said(&plan, &database));
        if env::var_os("UPDATE_CASES").is_some() {
            self.update_recording(&database);
        }
        match plan.code {
            // Adoptions and outdated records are no changes, and are still to be written down.
            0 | 2 => self.apply(&database, &project, &before),
            _ => assert_eq!(before, database.sql(OBJECTS), "a plan has changed something"),
        }
    }

    fn prepare(&self, database: &Database, project: &Project) {
        if let Some(sql) = self.read("before.sql") {
            database.sql(&sql);
        }
        let first = self.folder.join("first");
        if first.exists() {
            let project = Project::new();
            copy(&first, project.path());
            project.apply(database);
        }
        if let Some(sql) = self.read("between.sql") {
            // A build may be meant to fail.
            let _ = database.try_sql(&sql);
        }
        for part in ["schema", "reconcile.yaml"] {
            copy(&self.folder.join(part), &project.path().join(part));
        }
    }

    /// Reads the live side anew where the plan that follows from the recorded one is another.
    fn update_recording(&self, database: &Database) {
        if self.records && replay::said(&self.folder).ok() != self.read("plan.txt") {
            recorder::record(&self.folder, database);
        }
    }

    fn apply(&self, database: &Database, project: &Project, before: &str) {
        let flags = self.read("flags").unwrap_or_default();
        let args: Vec<_> = ["apply", "--auto-approve"].into_iter().chain(flags.split_whitespace()).collect();
        let run = project.run(database, &args);
        if run.code != 0 {
            self.expect("apply.txt", &said(&run, database));
        } else {
            self.expect_none("apply.txt");
        }
        let after = database.sql(OBJECTS);
        if REFUSED.contains(&run.code) {
            assert_eq!(before, after, "a refused apply has changed something");
            return;
        }
        self.expect("after.txt", &format!("{after}\n"));
        for line in after.lines().filter(|line| !before.lines().any(|before| before == *line)) {
            let remnant = REMNANTS.iter().find(|remnant| line.contains(*remnant));
            assert!(remnant.is_none(), "a remnant after apply: {line}\n{after}");
        }
        if run.code == 0 {
            self.plan_again(database, project);
        }
    }

    fn plan_again(&self, database: &Database, project: &Project) {
        let after = database.sql(OBJECTS);
        let second = project.expect_no_changes(database);
        if second.stdout == NOTHING {
            self.expect_none("notes.txt");
        } else {
            self.expect("notes.txt", &said(&second, database));
        }
        assert_eq!(after, database.sql(OBJECTS), "a second plan has changed something");
        if let Some(sql) = self.read("later.sql") {
            database.sql(&sql);
            self.expect("later.txt", &said(&project.run(database, &["plan", "--detailed-exitcode"]), database));
        }
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn expect(&self, file: &str, actual: &str) {
        let expected = self.read(file);
        if env::var_os("UPDATE_CASES").is_some() {
            if expected.as_deref() != Some(actual) {
                fs::write(self.folder.join(file), actual).unwrap();
            }
        } else if expected.as_deref() != Some(actual) {
            panic!("{file} differs; expected\n{}\nactual\n{actual}", expected.unwrap_or_default());
        }
    }

    fn expect_none(&self, file: &str) {
        assert!(self.read(file).is_none(), "{file} is there, and nothing to hold against it");
    }
}

/// What a run printed, without what is different each time.
fn said(run: &Run, database: &Database) -> String {
    let text = format!("{}{}exit {}\n", run.stdout, run.stderr, run.code);
    text.replace(&database.name, DATABASE)
}

/// Copies a file, or a folder with everything in it; nothing where there is neither.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}
