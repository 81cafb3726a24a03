//! The private directory of one server, which does not outlive its owner: not a dropped one, nor a killed one.
//!
//! Three things see to that: `Drop`; a small guard process, which notices the owner's end by the end of a pipe; and
//! [`sweep`], for what both missed. Starting and stopping the server is left to `server`.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, process};

use tempfile::TempDir;

use crate::{
    ScratchError,
    account::{Account, account},
    command::clean,
};

/// What the names of all servers' directories start with.
const PREFIX: &str = "reconcile-pg-";

/// A directory has another name until its lock is held, so that no sweep takes it for an orphan.
const UNLOCKED_PREFIX: &str = "reconcile-new-pg-";

const LOCK: &str = "owner.lock";

/// A socket's path holds 103 bytes on macOS, 107 on Linux; what is below the base takes up to 45.
const LONGEST_BASE: usize = 50;

const SHORT_BASE: &str = "/tmp";

/// Waits until standard input ends, then stops the server of directory `$1`, if it runs, and removes the directory.
/// A process is only taken for that server if its command line names the data directory: numbers are used again.
const CLEAR: &str = r#"
read -r _
pid_file=$1/data/postmaster.pid
if read -r pid <"$pid_file"; then
    if [ -r "/proc/$pid/cmdline" ]; then line=$(tr '\0' ' ' <"/proc/$pid/cmdline"); else line=$(ps -o command= -p "$pid"); fi
    case $line in *"$1/data"*)
        kill -QUIT "$pid"
        tries=0
        while [ -e "$pid_file" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    esac
fi
rm -rf "$1"
"#;

/// A directory `$TMPDIR/reconcile-pg-<pid>-…` with a place for the data, the socket and the log of one server.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    /// Held, and so locked, as long as this process lives.
    _lock: File,
    guard: Child,
}

impl Home {
    /// Makes one, with empty directories that belong to the server's account.
    pub(crate) fn create() -> Result<Self, ScratchError> {
        let account = account()?;
        let base = base(account);
        let prefix = format!("{UNLOCKED_PREFIX}{}-", process::id());
        let new = tempfile::Builder::new().prefix(&prefix).rand_bytes(6).tempdir_in(&base);
        let new = new.map_err(ScratchError::io("create a directory in", &base))?;
        let lock = lock(&new)?;
        let name = new.path().file_name().unwrap_or_default().to_string_lossy().replace(UNLOCKED_PREFIX, PREFIX);
        let dir = base.join(name);
        fs::rename(new.keep(), &dir).map_err(ScratchError::io("move into place", &dir))?;
        // From here on the guard removes the directory if anything below fails.
        let guard = clear(&dir, Stdio::piped()).map_err(ScratchError::io("guard", &dir))?;
        let home = Self { dir, _lock: lock, guard };
        account.let_through(&home.dir)?;
        account.create_private_dir(&home.data())?;
        account.create_private_dir(&home.sockets())?;
        Ok(home)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.dir.join("s")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What is left behind here, the guard removes.
        let _ = fs::remove_dir_all(&self.dir);
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn lock(new: &TempDir) -> Result<File, ScratchError> {
    let path = new.path().join(LOCK);
    let file = File::create(&path).map_err(ScratchError::io("create", &path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(ScratchError::io("close", &path))?;
    file.try_lock().map_err(|error| ScratchError::io("lock", &path)(error.into()))?;
    Ok(file)
}

/// Where servers' directories are: TMPDIR, unless a socket's path would be too long there or the server's account
/// could not reach it.
fn base(account: Account) -> PathBuf {
    let dir = env::temp_dir();
    let fits = dir.is_absolute() && dir.as_os_str().len() <= LONGEST_BASE && account.can_pass(&dir);
    if fits { dir } else { PathBuf::from(SHORT_BASE) }
}

/// Runs [`CLEAR`] for a directory; it starts to clear when `until` ends.
fn clear(dir: &Path, until: Stdio) -> std::io::Result<Child> {
    let mut shell: Command = clean("sh");
    shell.args(["-c", CLEAR, "sh"]).arg(dir);
    // A Ctrl-C is for the owner alone, who may still need the server to end in order.
    shell.stdin(until).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()
}

/// Stops the servers and removes the directories of owners that are gone.
///
/// Failing to do so is nobody's error: the next server's start tries again.
pub(crate) fn sweep() {
    let Ok(account) = account() else { return };
    let Ok(entries) = fs::read_dir(base(account)) else {
        return;
    };
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for dir in entries.flatten().filter(|entry| ours(&entry.file_name())).map(|entry| entry.path()) {
        // Anybody can make a directory of such a name: only the caller's own are touched.
        let own = fs::symlink_metadata(&dir).is_ok_and(|meta| meta.is_dir() && meta.uid() == account.caller());
        if own && is_orphan(&dir) {
            let _ = clear(&dir, Stdio::null()).and_then(|mut child| child.wait());
        }
    }
}

/// Whether nobody holds the lock of a directory any more.
fn is_orphan(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)) {
        Ok(file) => file.try_lock().is_ok(),
        // Its owner, or the guard, is removing it: if that is cut short, the rest is an orphan.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
