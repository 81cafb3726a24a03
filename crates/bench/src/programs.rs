//! Finds what is measured: the `reconcile` of the same build, and `psql`. Builds neither.

use std::env::{current_exe, vars_os};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use reconcile_scratch::{Installation, find};

use crate::failure::Failure;

const BUILD: &str = "build it with: cargo build --release -p reconcile";

/// The programs that run, and the server that they run against.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) reconcile: PathBuf,
    pub(crate) psql: PathBuf,
    pub(crate) installation: Installation,
}

impl Programs {
    /// Errors if one is missing, or if `reconcile` is older than its sources.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Failure> {
        if cfg!(debug_assertions) {
            eprintln!("warning: an unoptimised build; for figures that count: cargo run --release -p reconcile-bench");
        }
        let reconcile =
            named.map_or_else(beside, |path| std::path::absolute(path).map_err(Failure::io("find", path)))?;
        if !reconcile.is_file() {
            return Err(Failure::new(format!("{}: there is no such program", reconcile.display())).hint(BUILD));
        }
        if named.is_none() {
            check_age(&reconcile)?;
        }
        let installation = find()?;
        let psql = installation.program("psql").ok_or_else(|| {
            Failure::new("`psql` not found: its reading of the catalogs is what plans are compared with")
                .hint("install postgresql's client programs, or put them on the PATH")
        })?;
        Ok(Self { reconcile, psql, installation })
    }
}

/// Where cargo puts it: the directory of this very program.
fn beside() -> Result<PathBuf, Failure> {
    let own = current_exe().map_err(|error| Failure::new(format!("cannot tell where this program is: {error}")))?;
    Ok(own.with_file_name(format!("reconcile{}", std::env::consts::EXE_SUFFIX)))
}

/// Errors if a source file that cargo's own list names was changed after the build. Without a list there is no error.
fn check_age(reconcile: &Path) -> Result<(), Failure> {
    let Ok(list) = fs::read_to_string(reconcile.with_extension("d")) else {
        return Ok(());
    };
    let built = modified(reconcile).unwrap_or_else(SystemTime::now);
    match sources(&list).into_iter().find(|source| modified(source).is_some_and(|changed| changed > built)) {
        Some(source) => {
            let message = format!("{} is older than {}", reconcile.display(), source.display());
            Err(Failure::new(message).hint(format!("{BUILD} (or measure it as it is, with --program)")))
        }
        None => Ok(()),
    }
}

/// The files behind the colon of a make rule, where a backslash precedes a space that belongs to a name.
fn sources(list: &str) -> Vec<PathBuf> {
    let files = list.split_once(": ").map_or("", |(_, files)| files).trim();
    let files = files.replace("\\ ", "\0");
    files.split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// A command that settings of the caller's own database do not reach.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in vars_os() {
        if name == "DATABASE_URL" || name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_sources_may_name_files_with_spaces() {
        let list = "/target/release/reconcile: /src/a\\ b.rs /src/c.sql\n";
        assert_eq!(sources(list), [PathBuf::from("/src/a b.rs"), PathBuf::from("/src/c.sql")]);
        assert_eq!(sources(""), Vec::<PathBuf>::new());
    }
}
