//! One running server: starting, asking and stopping it. What lies around it is left to `home` and `template`.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{
    Installation, Options, ScratchError,
    account::account,
    command::{clean, run},
    home::{Home, sweep},
    template::{copy, template},
};

/// Far more than either takes, even on a busy machine after a crash.
const PATIENCE: Duration = Duration::from_mins(1);

const POLL: Duration = Duration::from_millis(5);

/// Lines of the log that an error shows.
const LOG_LINES: usize = 12;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Connections are broken off, and the data is left in order.
    Fast,
    /// As in a crash: the next start replays the log.
    Immediate,
}

impl StopMode {
    fn signal(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
        }
    }
}

/// A throwaway server. It is stopped, and all its files are removed, when this is dropped or when its process ends in
/// whatever way.
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    options: Options,
    psql: OnceLock<Option<PathBuf>>,
    /// None while it is stopped.
    postmaster: Option<Child>,
    data: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
    /// Last, so that it is dropped after the server was stopped.
    _home: Home,
}

impl Server {
    /// Starts a server with the one database `postgres`, and waits until it accepts connections.
    ///
    /// # Errors
    /// If the data directory cannot be made, or if the server does not start: the error shows the end of its log.
    pub fn start(installation: &Installation, options: Options) -> Result<Self, ScratchError> {
        sweep();
        let template = template(installation)?;
        let home = Home::create()?;
        copy(&template, &home.data())?;
        Self::run_in(home, installation, options)
    }

    /// A streaming standby of this server, with the same settings, that accepts queries.
    ///
    /// # Errors
    /// If the installation has no `pg_basebackup` (fetched ones have none), or if the copy or the start fails.
    pub fn standby(&self) -> Result<Self, ScratchError> {
        const PROGRAM: &str = "pg_basebackup";
        if !self.installation.has(PROGRAM) {
            return Err(ScratchError::NoProgram {
                program: self.installation.bin_dir().join(PROGRAM).display().to_string(),
                needed_for: "it copies a server for its standby",
            });
        }
        let home = Home::create()?;
        let mut backup = account()?.command(self.installation.bin_dir().join(PROGRAM));
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]).arg(home.data());
        run(backup.arg("--dbname").arg(self.url("postgres")))?;
        Self::run_in(home, &self.installation, self.options.clone())
    }

    fn run_in(home: Home, installation: &Installation, options: Options) -> Result<Self, ScratchError> {
        let mut server = Self {
            installation: installation.clone(),
            options,
            psql: OnceLock::new(),
            postmaster: None,
            data: home.data(),
            sockets: home.sockets(),
            log: home.log(),
            _home: home,
        };
        server.configure()?;
        server.start_again()?;
        Ok(server)
    }

    /// Where to connect to one of its databases, for sqlx and libpq alike. The role is `postgres`, a superuser; there
    /// is no password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(&self.sockets, self.options.port(), database)
    }

    /// Creates an empty database and returns its URL. Where there is no `psql`, a caller does the same through a
    /// connection of its own to the database `postgres`.
    ///
    /// # Errors
    /// If there is no `psql`, or the database exists already.
    pub fn create_database(&self, name: &str) -> Result<String, ScratchError> {
        self.psql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")))?;
        Ok(self.url(name))
    }

    /// Runs SQL with `psql`, statement by statement up to the first error, and returns the rows: a line each, columns
    /// separated by `|`, no headings.
    ///
    /// # Errors
    /// If there is no `psql` on this machine, or a statement fails: then with the server's message and its line.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, ScratchError> {
        let psql = self.psql.get_or_init(|| self.installation.program("psql"));
        let psql = psql.as_ref().ok_or(ScratchError::NoProgram {
            program: "psql".to_owned(),
            needed_for: "it runs sql in a throwaway server",
        })?;
        // From a file, since a pipe could fill up at both ends.
        let input = || -> std::io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(sql.as_bytes())?;
            file.rewind()?;
            Ok(file)
        };
        let input = input().map_err(ScratchError::io("write sql to a file in", &std::env::temp_dir()))?;
        let mut psql = clean(psql);
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d"]).arg(self.url(database));
        let output = run(psql.stdin(input))?;
        let rows = String::from_utf8_lossy(&output.stdout);
        // Only the last line's end: a row may begin or end with white space, or be empty.
        Ok(rows.strip_suffix('\n').unwrap_or(&rows).to_owned())
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The file of its log, gone when the server is.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Its data directory, gone when the server is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The directory of its socket: `host` in a connection string.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.sockets
    }

    /// The port of its socket's name; no TCP port is open unless the settings say so.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.options.port()
    }

    /// The postmaster's process, or None while the server is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Child::id)
    }

    /// What it runs from.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Stops the server and waits for its end; its data stays for [`Server::start_again`]. Nothing happens to one that
    /// is stopped.
    ///
    /// # Errors
    /// If it does not end within a minute; then it is killed.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), ScratchError> {
        let Some(mut postmaster) = self.postmaster.take() else {
            return Ok(());
        };
        // Not reaped yet, so the number is still its own, even if it crashed: then this fails, which is no matter.
        let pg_ctl = self.installation.bin_dir().join("pg_ctl");
        let _ = run(account()?.command(pg_ctl).args(["kill", mode.signal(), &postmaster.id().to_string()]));
        if wait(|| !matches!(postmaster.try_wait(), Ok(None))) {
            return Ok(());
        }
        let _ = postmaster.kill();
        let _ = postmaster.wait();
        Err(self.failed_to("stop"))
    }

    /// Starts a stopped server with the data that it had; nothing happens to a running one.
    ///
    /// # Errors
    /// If the server does not start: the error shows the end of its log.
    pub fn start_again(&mut self) -> Result<(), ScratchError> {
        if self.postmaster.is_some() {
            return Ok(());
        }
        let log = OpenOptions::new().append(true).create(true).open(&self.log);
        let log = log.map_err(ScratchError::io("open", &self.log))?;
        let errors = log.try_clone().map_err(ScratchError::io("open", &self.log))?;
        let mut postgres = account()?.command(self.installation.bin_dir().join("postgres"));
        postgres.arg("-D").arg(&self.data).stdout(log).stderr(errors).stdin(Stdio::null());
        // A Ctrl-C is for the owner alone, who may still need the server to end in order.
        let child = postgres.process_group(0).spawn();
        let mut child = child.map_err(ScratchError::io("start a server in", &self.data))?;
        let id = child.id();
        let over = wait(|| self.is_ready(id) || !matches!(child.try_wait(), Ok(None)));
        self.postmaster = Some(child);
        if over && self.is_ready(id) {
            return Ok(());
        }
        let error = self.failed_to("start");
        self.stop(StopMode::Immediate)?;
        Err(error)
    }

    /// The postmaster's own word on its state: its number is on the first line of its file, its state on the eighth.
    fn is_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }

    fn configure(&self) -> Result<(), ScratchError> {
        let path = self.data.join("postgresql.conf");
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(self.options.conf(&self.sockets).as_bytes()))
            .map_err(ScratchError::io("write", &path))
    }

    fn failed_to(&self, what: &'static str) -> ScratchError {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        ScratchError::Server { version: self.installation.version().to_owned(), what, log: end }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that will not stop was killed; nobody is left to be told.
        let _ = self.stop(StopMode::Immediate);
    }
}

/// Waits until something is so, and says whether it came to that in time.
fn wait(mut until: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !until() {
        if Instant::now() > end {
            return false;
        }
        sleep(POLL);
    }
    true
}

/// A URL for sqlx and libpq alike, by way of the socket in a directory.
pub(crate) fn url(sockets: &Path, port: u16, database: &str) -> String {
    let (database, sockets) = (encode(database.as_bytes()), encode(sockets.as_os_str().as_encoded_bytes()));
    // The role as a parameter: as `postgres@` before an empty host it would be no valid URL.
    format!("postgres:///{database}?host={sockets}&port={port}&user=postgres")
}

/// Percent-encodes what is not plain in a URL; a path's slashes are.
fn encode(text: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.iter().map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
