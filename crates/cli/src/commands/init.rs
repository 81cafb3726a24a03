//! `init`: writes a new project with comments.

use std::{fs, io::Write as _};

use crate::{
    args::Global,
    error::{Exit, Failure},
    terminal::Terminal,
};

/// Writes the files of a new project. Refuses if one of them exists.
pub(crate) fn run(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let files = reconcile_config::starting_project();
    let standing = files.iter().map(|(path, _)| global.directory.join(path)).find(|path| path.exists());
    if let Some(path) = standing {
        let message = format!("{} exists; nothing was written", path.display());
        return Err(Failure::said(
            Exit::Error,
            message,
            "run `reconcile init` in an empty folder, or name one with -C",
        ));
    }
    for (path, contents) in files {
        let path = global.directory.join(path);
        write_new(&path, contents)?;
        terminal.print(&format!("wrote {}\n", path.display()));
    }
    terminal.say("Next: set DATABASE_URL, then `reconcile import --out .` or edit schema/, then `reconcile plan`.");
    Ok(Exit::Done)
}

/// Writes a file that does not exist yet, and the folders above it.
pub(crate) fn write_new(path: &std::path::Path, contents: &str) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::other(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(named)?;
    }
    let mut file = fs::File::create_new(path).map_err(named)?;
    file.write_all(contents.as_bytes()).map_err(named)
}
