//! What can go wrong before a server stands, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why no server could be had. The text says what failed; [`ScratchError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// There is no PostgreSQL on this machine, and none could be brought.
    #[error("no postgresql server found on this machine ({})", .tried.join("; "))]
    NotFound {
        /// Each place that was tried, with what came of it.
        tried: Vec<String>,
    },
    /// A directory was named as an installation's, but no server can be run from it.
    #[error("{}: not the programs of a postgresql server: {reason}", .dir.display())]
    NotAnInstallation {
        /// The directory.
        dir: PathBuf,
        /// What is missing in it.
        reason: String,
    },
    /// A program that the request needs is not on this machine.
    #[error("`{program}` not found: {needed_for}")]
    NoProgram {
        /// Its name, as in `psql`.
        program: String,
        /// What it was wanted for.
        needed_for: &'static str,
    },
    /// No package holds this version for this machine.
    #[error("no package with postgresql {major} for {platform}")]
    NoPackage {
        /// The major version asked for.
        major: u32,
        /// Operating system and processor, as in `linux-x64`.
        platform: String,
    },
    /// A program ran and failed.
    #[error("{program} failed: {detail}")]
    Failed {
        /// Its name.
        program: String,
        /// What it printed on standard error, or its exit status if that was nothing.
        detail: String,
    },
    /// A server did not become ready or did not stop.
    #[error("postgresql {version} did not {what}: {log}")]
    Server {
        /// The server's version.
        version: String,
        /// What it did not do, as in `start`.
        what: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// What was tried, as in `create`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl ScratchError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some(
                "install postgresql 14 or newer, or set RECONCILE_PG_BIN to the directory that holds `initdb` and \
                 `postgres`; with `npm` on the PATH, one is fetched by itself",
            ),
            Self::NotAnInstallation { .. } => Some(
                "name the directory that holds `initdb`, `pg_ctl` and `postgres`, such as /usr/lib/postgresql/17/bin; \
                 root runs them as user `postgres` or `nobody`, who must be able to read it",
            ),
            Self::NoProgram { .. } => Some("install postgresql's client programs, or put them on the PATH"),
            Self::NoPackage { .. } => Some("install this version with the system's own packages"),
            Self::Failed { .. } | Self::Server { .. } => None,
            Self::Io { .. } => {
                Some("TMPDIR and RECONCILE_PG_CACHE choose other directories for the servers and for the cache")
            }
        }
    }

    /// For `map_err`: an operating system's refusal, located.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
