//! The directory that outlives servers: unpacked packages and initialised data directories. Leaves filling it to others.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::{ScratchError, account::account};

/// What root's servers need is not put in root's home: the user they run as could not read it there.
const FOR_ROOT: &str = "/var/cache/reconcile-postgres";

/// Where the cache is, there or not: `$RECONCILE_PG_CACHE`, else the user's cache directory.
pub(crate) fn location() -> Result<PathBuf, ScratchError> {
    if let Some(dir) = env::var_os("RECONCILE_PG_CACHE").filter(|dir| !dir.is_empty()) {
        return std::path::absolute(&dir).map_err(ScratchError::io("find", Path::new(&dir)));
    }
    if account()?.is_dropped() {
        return Ok(PathBuf::from(FOR_ROOT));
    }
    let user = |name, below: &str| Some(PathBuf::from(env::var_os(name)?).join(below)).filter(|dir| dir.is_absolute());
    let dir = user("XDG_CACHE_HOME", "").or_else(|| user("HOME", ".cache")).unwrap_or_else(env::temp_dir);
    Ok(dir.join("reconcile/postgres"))
}

/// An entry of the cache, built by `build` in a directory of its own if it is not there yet.
///
/// Processes that want the same entry at once wait for the first; an entry that is there is whole.
pub(crate) fn entry(
    name: &str,
    build: impl FnOnce(&Path) -> Result<(), ScratchError>,
) -> Result<PathBuf, ScratchError> {
    let cache = location()?;
    let entry = cache.join(name);
    if entry.exists() {
        return Ok(entry);
    }
    create(&cache)?;
    let lock_path = cache.join(format!(".{name}.lock"));
    let lock = File::create(&lock_path).map_err(ScratchError::io("create", &lock_path))?;
    lock.lock().map_err(ScratchError::io("lock", &lock_path))?;
    if entry.exists() {
        return Ok(entry);
    }
    let unfinished = cache.join(format!(".{name}.new"));
    // Whoever left it behind was stopped: its lock is ours now.
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(ScratchError::io("remove", &unfinished))?;
    }
    build(&unfinished)?;
    fs::rename(&unfinished, &entry).map_err(ScratchError::io("move into place", &unfinished))?;
    Ok(entry)
}

fn create(cache: &Path) -> Result<(), ScratchError> {
    fs::create_dir_all(cache).map_err(ScratchError::io("create", cache))?;
    if account()?.is_dropped() {
        // A strict umask of root's would shut out the user that servers run as.
        fs::set_permissions(cache, Permissions::from_mode(0o755)).map_err(ScratchError::io("open", cache))?;
    }
    Ok(())
}
