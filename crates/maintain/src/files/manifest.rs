//! `manifest.json`: what the files of a folder hold, for people who read them without the database. Several rules may
//! share a folder, and so may databases: only the entries that are named are touched. It is never seen half written.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use reconcile_core::kinds::retention::preflight::Refused;
use serde::Serialize;
use serde_json::{Value, json};

use super::folder::{self, refusal};

const NAME: &str = "manifest.json";

/// The next manifest. It gets the name of the manifest once it is on the disk.
const NEXT: &str = "manifest.json.new";

/// The process that holds it may write the manifest.
const LOCK: &str = "manifest.lock";

const VERSION: u32 = 1;

/// The entry of a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) table: String,
    pub(crate) columns: Value,
    pub(crate) rows: u64,
    /// What counts of it.
    pub(crate) bytes: u64,
    /// The digest of these bytes.
    pub(crate) sha256: String,
    /// The first of the rule's column.
    pub(crate) from: Option<String>,
    /// The last.
    pub(crate) to: Option<String>,
    pub(crate) run: i64,
}

/// Brings the entries of some files up to date, and takes those of others away.
pub(crate) fn amend(folder: &Path, entries: &[Entry], without: &[&str]) -> Result<(), Refused> {
    let path = folder.join(NAME);
    let _lock = locked(&folder.join(LOCK))?;
    let before = read(&path)?;
    let mut files = before.clone();
    files.retain(|file| !without.iter().any(|name| file["file"] == *name));
    for entry in entries {
        let entry = json!(entry);
        match files.iter_mut().find(|file| file["file"] == entry["file"]) {
            Some(file) => *file = entry,
            None => files.push(entry),
        }
    }
    if files == before {
        return Ok(());
    }
    write(folder, &json!({ "format_version": VERSION, "files": files }))
        .map_err(|error| refusal("write", &path, &error))
}

fn locked(path: &Path) -> Result<File, Refused> {
    let open = || {
        let file = folder::options().write(true).create(true).open(path)?;
        folder::lock(&file)?;
        Ok(file)
    };
    open().map_err(|error| refusal("write", path, &error))
}

/// The entries that are there.
fn read(path: &Path) -> Result<Vec<Value>, Refused> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(refusal("read", path, &error)),
    };
    let mut manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    match (manifest["format_version"] == VERSION, manifest["files"].take()) {
        (true, Value::Array(files)) => Ok(files),
        _ => Err(Refused::new(
            format!("{} is no manifest that this version knows", path.display()),
            "put a copy of it back, or move it away: each rule then writes what it knows of its files".to_owned(),
        )),
    }
}

fn write(folder: &Path, manifest: &Value) -> io::Result<()> {
    let next = folder.join(NEXT);
    let mut file = folder::options().write(true).create(true).truncate(true).open(&next)?;
    file.write_all(format!("{manifest:#}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, folder.join(NAME))?;
    folder::sync(folder)
}
