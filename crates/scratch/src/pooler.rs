//! A throwaway `pgbouncer` in front of a throwaway server, on a socket beside the server's own.
//!
//! Its files lie in the directory of the server's socket, and go with it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{
    ScratchError, Server,
    account::account,
    command::{executable, on_path},
    server::url,
};

/// Where distributions put it, which is not in everybody's PATH.
const SYSTEM_PROGRAMS: &str = "/usr/sbin";

/// Names of sockets only, so they need not be free on the machine.
const FIRST_PORT: u16 = 6432;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the pooler `$1` with its file `$2` until standard input ends, however the owner of that ends.
const GUARDED: &str = r#""$1" -q "$2" </dev/null & pid=$!; read -r _; kill -KILL "$pid"; wait "$pid""#;

/// When a client gives its server connection back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When it disconnects.
    Session,
    /// After each transaction.
    Transaction,
}

/// A running `pgbouncer`. It ends when this is dropped, or when its process ends in whatever way.
#[derive(Debug)]
pub struct Pooler {
    guard: Child,
    sockets: PathBuf,
    port: u16,
}

impl Pooler {
    /// Starts one in front of all databases of a server, with its defaults but for the mode and the most connections
    /// that it has to one database. Waits until it accepts clients.
    ///
    /// # Errors
    /// If there is no `pgbouncer` on this machine, or if it does not start.
    pub fn start(server: &Server, mode: PoolMode, size: u16) -> Result<Self, ScratchError> {
        static NEXT_PORT: AtomicU16 = AtomicU16::new(FIRST_PORT);
        const NAME: &str = "pgbouncer";
        let program = on_path(NAME).or_else(|| executable(Path::new(SYSTEM_PROGRAMS), NAME));
        let program = program.ok_or_else(|| ScratchError::NoProgram {
            program: NAME.to_owned(),
            needed_for: "it pools connections to a throwaway server",
        })?;
        let (sockets, port) = (server.socket_dir().to_owned(), NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        let file = sockets.join(format!("pgbouncer.{port}.ini"));
        let log = file.with_extension("log");
        write(&file, &settings(server, mode, size, port)).map_err(ScratchError::io("write", &file))?;
        let output = fs::File::create(&log).map_err(ScratchError::io("create", &log))?;
        let mut shell = account()?.command("sh");
        shell.args(["-c", GUARDED, "sh"]).arg(program).arg(file);
        // It must outlive a Ctrl-C of its owner, as the server does.
        let guard = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(output).process_group(0).spawn();
        let guard = guard.map_err(ScratchError::io("start a pooler in", &sockets))?;
        let pooler = Self { guard, sockets, port };
        if pooler.is_ready_in_time() {
            return Ok(pooler);
        }
        let detail = fs::read_to_string(&log).unwrap_or_default();
        Err(ScratchError::Failed { program: NAME.to_owned(), detail })
    }

    /// Where to connect to one of the server's databases through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(&self.sockets, self.port, database)
    }

    fn is_ready_in_time(&self) -> bool {
        let socket = self.sockets.join(format!(".s.PGSQL.{}", self.port));
        let end = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            if Instant::now() > end {
                return false;
            }
            sleep(Duration::from_millis(5));
        }
        true
    }
}

/// Writes a file that the server's account can read, whatever the umask; its directory keeps all others out.
fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, text)?;
    fs::set_permissions(file, Permissions::from_mode(0o644))
}

fn settings(server: &Server, mode: PoolMode, size: u16, port: u16) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    let (sockets, to) = (server.socket_dir().display(), server.port());
    // The socket's directory is private, so nobody needs a password.
    format!(
        "[databases]\n* = host={sockets} port={to} user=postgres\n\
         [pgbouncer]\nlisten_port = {port}\nunix_socket_dir = {sockets}\nunix_socket_mode = 0700\nauth_type = any\n\
         pool_mode = {mode}\ndefault_pool_size = {size}\n"
    )
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
