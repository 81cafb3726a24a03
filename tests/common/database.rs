//! Servers that live as long as the test process, and databases that live as long as a test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use reconcile_scratch::{Installation, Options, Server, local};

/// The versions that the program is for.
const SUPPORTED: std::ops::RangeInclusive<u32> = 14..=18;

const INDEXES: &str = include_str!("indexes.sql");

/// What leaves a trace of a plan in the catalogs, if anything does.
const TRACES: &str = "SELECT count(*), sum(hashtext(c::text)) FROM pg_class c WHERE relnamespace <> 99;
    SELECT count(*) FROM pg_attribute; SELECT count(*) FROM pg_index; SELECT count(*) FROM pg_description;
    SELECT count(*) FROM pg_depend; SELECT count(*) FROM pg_namespace;";

/// One version of PostgreSQL, with its server once that is wanted.
pub(crate) struct Version {
    installation: Installation,
    server: OnceLock<Server>,
}

/// Every supported version on this machine, oldest first. The others are named on standard error.
pub(crate) fn versions() -> &'static [Version] {
    static VERSIONS: OnceLock<Vec<Version>> = OnceLock::new();
    VERSIONS.get_or_init(|| {
        let mut found = local();
        found.retain(|installation| SUPPORTED.contains(&installation.major()));
        found.sort_by_key(Installation::major);
        found.dedup_by_key(|installation| installation.major());
        for major in SUPPORTED {
            if !found.iter().any(|installation| installation.major() == major) {
                eprintln!("skipped: PostgreSQL {major} is not on this machine");
            }
        }
        assert!(!found.is_empty(), "no PostgreSQL on this machine: `reconcile demo` fetches one");
        found.into_iter().map(|installation| Version { installation, server: OnceLock::new() }).collect()
    })
}

/// The newest version, for what does not depend on it.
pub(crate) fn newest() -> &'static Version {
    versions().last().unwrap()
}

impl Version {
    pub(crate) fn major(&self) -> u32 {
        self.installation.major()
    }

    pub(crate) fn installation(&self) -> &Installation {
        &self.installation
    }

    /// A server that logs every statement with its database in front, keeps its hands off statistics, and has the
    /// tablespaces `fast` and `Fast Disk`.
    pub(crate) fn server(&self) -> &Server {
        self.server.get_or_init(|| {
            let options = Options::default()
                .with("autovacuum", "off")
                .with("log_statement", "all")
                .with("log_line_prefix", "%d|%u|")
                .with("allow_in_place_tablespaces", "on");
            let server = Server::start(&self.installation, options).unwrap();
            let spaces = "CREATE TABLESPACE fast LOCATION ''; CREATE TABLESPACE \"Fast Disk\" LOCATION '';";
            server.psql("postgres", spaces).unwrap();
            server
        })
    }
}

/// An empty database, dropped with this.
pub(crate) struct Database {
    pub(crate) version: &'static Version,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new(version: &'static Version) -> Self {
        let name = Self::next_name();
        version.server().create_database(&name).unwrap();
        Self { version, name }
    }

    /// Another database with the same in it. Nobody may be connected to this one meanwhile.
    pub(crate) fn copy(&self) -> Self {
        let name = Self::next_name();
        let create = format!("CREATE DATABASE {name} TEMPLATE {}", self.name);
        self.version.server().psql("postgres", &create).unwrap();
        Self { version: self.version, name }
    }

    fn next_name() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs SQL as superuser and returns its rows, columns parted by `|`.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{error}\nin {sql}"))
    }

    pub(crate) fn try_sql(&self, sql: &str) -> Result<String, String> {
        self.version.server().psql(&self.name, sql).map_err(|error| error.to_string())
    }

    pub(crate) fn url(&self) -> String {
        self.version.server().url(&self.name)
    }

    pub(crate) fn url_as(&self, role: &str) -> String {
        self.url().replace("user=postgres", &format!("user={role}"))
    }

    /// Every index that is not the system's or the registry's, with all that hangs on it.
    pub(crate) fn indexes(&self) -> String {
        self.sql(INDEXES)
    }

    /// A digest of the catalogs.
    pub(crate) fn traces(&self) -> String {
        self.sql(TRACES)
    }

    /// The statements that the server has logged for this database, one a line, with the role in front.
    pub(crate) fn log(&self) -> Vec<String> {
        let (log, prefix) = (self.version.server().log(), format!("{}|", self.name));
        let (mut lines, mut ours): (Vec<String>, bool) = (Vec::new(), false);
        for line in log.lines() {
            match (line.strip_prefix(&prefix), line.strip_prefix('\t'), lines.last_mut()) {
                (Some(line), ..) => {
                    lines.push(line.to_owned());
                    ours = true;
                }
                // It goes on with the line before it, whoever's that is.
                (None, Some(rest), Some(last)) if ours => last.push_str(&format!(" {rest}")),
                (None, Some(_), _) => {}
                (None, None, _) => ours = false,
            }
        }
        lines
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It goes with its server at the latest.
        let _ = self.version.server().psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
