//! The folder of an archive: where it is, what its files are called, and what it takes for them to last. Archived rows
//! may be personal data: nobody but the owner reads them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use reconcile_core::{kinds::retention::preflight::Refused, postgres::name::QualifiedName};

/// How long a lock on a file is waited for. Its holder writes a manifest, or is a run that has lost its connection.
const PATIENCE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(10);

/// Characters that a file's name has of the names of schema and table.
const STEM: usize = 60;

/// A folder as a rule has it, and where that is.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) declared: String,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path, declared: &str) -> Self {
        Self { declared: declared.to_owned(), path: root.join(declared) }
    }

    /// Makes it, and what is missing above it.
    pub(crate) fn make(&self) -> Result<(), Refused> {
        let missing: Vec<_> = self.path.ancestors().take_while(|path| !exists(path)).collect();
        let made = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
            missing.iter().filter_map(|path| path.parent()).try_for_each(sync)
        };
        made().map_err(|error| refusal("make the folder", &self.path, &error))
    }
}

fn exists(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.symlink_metadata().is_ok()
}

/// Makes what was created or renamed in a folder survive a crash of the machine.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync folders, and do it by themselves.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// A name that no file had before, and that says whose it is whatever the table is called.
pub(crate) fn name(table: &QualifiedName, run: i64, sequence: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let part = |name: &str| name.chars().map(plain).take(STEM).collect::<String>();
    let (schema, table) = (part(table.schema.as_str()), part(table.name.as_str()));
    // Two databases may number their runs alike.
    format!("{schema}.{table}-{run:06}-{sequence:03}-{:08x}.jsonl.gz", fastrand::u32(..))
}

/// How files of ours are opened.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600);
    options
}

/// Waits for a file that another process of ours may be writing.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it"));
            }
            Err(TryLockError::WouldBlock) => sleep(POLL),
        }
    }
}

/// Takes a file away that is not there for good.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The error of an operation that the file system refused.
pub(crate) fn refusal(what: &str, path: &Path, error: &io::Error) -> Refused {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "make room there; rows that are not in a file stay in the table"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let the user that runs `retain` write there"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "name a folder in `archive_to`, and apply it",
        io::ErrorKind::ResourceBusy => "wait for its end",
        _ => "rows that are not in a file stay in the table",
    };
    Refused::new(format!("cannot {what} {}: {error}", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_whatever_the_table_is_called() {
        for (table, stem) in [
            ("public.log", "public.log-000012-001-"),
            (r#""..".".. /x""#, "__.____x-000012-001-"),
            (r#""-rf"."ä.b""#, "_rf.__b-000012-001-"),
        ] {
            let name = name(&QualifiedName::parse(table).unwrap(), 12, 1);
            assert!(name.starts_with(stem) && name.ends_with(".jsonl.gz"), "{name}");
        }
        let long = QualifiedName::parse(&format!("{}.{}", "s".repeat(63), "t".repeat(63))).unwrap();
        assert!(name(&long, i64::MAX, u32::MAX).len() < 255);
    }
}
