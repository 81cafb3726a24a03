//! Runs programs and collects what they say. Knows none of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use crate::ScratchError;

/// A command that the caller's own PostgreSQL settings do not reach, with messages in English.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        // PGHOST, PGOPTIONS, PGSERVICE and the like would lead a client to another server.
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    // The caller's directory may be closed to the user that a server runs as.
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    command
}

/// Runs to the end. Errors if it cannot be run, or does not exit with success.
pub(crate) fn run(command: &mut Command) -> Result<Output, ScratchError> {
    let name = Path::new(command.get_program());
    let program = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    let failed = |detail: String| ScratchError::Failed { program, detail };
    match command.output() {
        Err(error) => Err(failed(error.to_string())),
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
        }
    }
}

/// Standard output of a run, without the white space around it.
pub(crate) fn text_of(command: &mut Command) -> Result<String, ScratchError> {
    let output = run(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first executable file of this name in the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).find_map(|dir| executable(&dir, name))
}

/// The program of this name in a directory, if it is there and may be run.
pub(crate) fn executable(dir: &Path, name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    let meta = fs::metadata(&path).ok()?;
    (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then_some(path)
}
