//! Finds the PostgreSQL installations that are on the machine. Bringing one is left to `npm` and `apt`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::{
    ScratchError,
    account::account,
    cache,
    command::{clean, executable, on_path, text_of},
};

/// Older ones are passed over: they are no longer maintained, and the product does not support them.
const OLDEST_MAJOR: u32 = 14;

/// What a server cannot do without.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where packages put `bin` directories of several versions side by side: a parent, the start of an entry's name, and
/// the rest of the path.
const SIDE_BY_SIDE: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// How the cache's entries with an npm package begin, before the package's version.
pub(crate) const PACKAGE: &str = "npm-";

/// The programs within an unpacked package.
pub(crate) const PACKAGE_BIN: &str = "native/bin";

/// A PostgreSQL installation: its programs, and their version.
#[derive(Clone, Debug)]
pub struct Installation {
    bin_dir: PathBuf,
    version: String,
    major: u32,
}

impl Installation {
    /// The installation whose programs are in this directory. Errors if one that a server needs is missing, or cannot
    /// be run by the user that servers run as.
    pub(crate) fn at(bin_dir: &Path) -> Result<Self, ScratchError> {
        let refuse = |reason: String| ScratchError::NotAnInstallation { dir: bin_dir.to_owned(), reason };
        if let Some(missing) = PROGRAMS.iter().find(|name| executable(bin_dir, name).is_none()) {
            return Err(refuse(format!("`{missing}` is missing")));
        }
        let said = text_of(account()?.command(bin_dir.join("postgres")).arg("--version"))
            .map_err(|error| refuse(error.to_string()))?;
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = said.split_once("(PostgreSQL) ").map_or(said.as_str(), |(_, version)| version).trim();
        let digits = version.find(|c: char| !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
        let major = digits.parse().map_err(|_| refuse(format!("`{said}` is no version")))?;
        Ok(Self { bin_dir: bin_dir.to_owned(), version: version.to_owned(), major })
    }

    /// The major version, as in 17.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The exact version as the server prints it: `17.10`, or `15.18 (Debian 15.18-0+deb12u1)`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The directory of its programs.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// Whether this very installation has a program, such as `pg_basebackup`.
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        executable(&self.bin_dir, program).is_some()
    }

    /// The path of a client program, such as `psql` or `pgbench`: this installation's own, else that of the newest
    /// installation that has it, else what the PATH leads to.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let elsewhere = || local().iter().rev().find_map(|other| executable(&other.bin_dir, name));
        executable(&self.bin_dir, name).or_else(elsewhere).or_else(|| on_path(name))
    }
}

/// Every version that is on this machine already, fetched ones included: one installation for each major version,
/// oldest first.
#[must_use]
pub fn local() -> Vec<Installation> {
    let mut by_major = BTreeMap::new();
    for installation in installations() {
        by_major.entry(installation.major).or_insert(installation);
    }
    by_major.into_values().collect()
}

/// All that can be run, in the order of preference.
pub(crate) fn installations() -> Vec<Installation> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in candidates() {
        // A link in the PATH and the directory it leads to are one installation.
        let real = fs::canonicalize(dir.join("postgres")).ok();
        if let Some(dir) = real.as_deref().and_then(Path::parent).filter(|real| !dirs.iter().any(|dir| dir == real)) {
            dirs.push(dir.to_owned());
        }
    }
    let found = dirs.iter().filter_map(|dir| Installation::at(dir).ok());
    found.filter(|installation| installation.major >= OLDEST_MAJOR).collect()
}

/// The directory that `$RECONCILE_PG_BIN` names.
pub(crate) fn named() -> Option<PathBuf> {
    env::var_os("RECONCILE_PG_BIN").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// Directories that may hold a server's programs.
fn candidates() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = named().into_iter().collect();
    dirs.extend(text_of(clean("pg_config").arg("--bindir")).map(PathBuf::from));
    dirs.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    dirs.extend(SIDE_BY_SIDE.iter().flat_map(|(parent, start, rest)| entries(Path::new(parent), start, rest)));
    dirs.extend(unpacked());
    dirs
}

/// The program directories of the packages in the cache, newest version first.
pub(crate) fn unpacked() -> Vec<PathBuf> {
    cache::location().map(|cache| entries(&cache, PACKAGE, PACKAGE_BIN)).unwrap_or_default()
}

/// `rest` below each entry of a directory whose name starts with `start`, the newest version first.
fn entries(parent: &Path, start: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(read) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let names = read.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(start)).collect();
    names.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
    names.into_iter().map(|name| parent.join(name).join(rest)).collect()
}

/// The numbers in a name, for comparing versions: `[17, 10, 0, 17]` in `17.10.0-beta.17`.
pub(crate) fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}
