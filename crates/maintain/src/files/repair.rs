//! Makes the files of a rule what the database says of them. An interrupted run leaves rows at the end of a file that
//! are still in the table: they do not count, and are cut off. A file that holds less than what counts, or something
//! else, has lost rows: that is an error, and nothing is touched.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use reconcile_apply::{
    registry::{Registry, archive_file::Model},
    sqlstate,
};
use reconcile_core::kinds::retention::preflight::Refused;
use reconcile_live::{LiveError, Session};

use super::{
    data,
    folder::{self, Folder, refusal},
    manifest::{self, Entry},
};
use crate::run_error::BatchError;

/// A file that the database knows, as it was found.
struct Found {
    model: Model,
    /// The folder that it is in.
    folder: PathBuf,
    /// Open and locked, where it may have to be mended.
    file: Option<File>,
}

/// Looks at the files of a rule in its folder, and at those elsewhere that no run has sealed; mends and seals them, and
/// brings the manifests up to date.
pub(crate) async fn mend(
    session: &mut Session,
    registry: &Registry,
    root: &Path,
    rule: &str,
    current: &Folder,
) -> Result<(), BatchError> {
    let models = registry.archive_files(session, rule).await.map_err(without_table)?;
    let concerned = models.into_iter().filter(|model| model.sealed.is_none() || model.folder == current.declared);
    let mut found = Vec::new();
    for model in concerned {
        found.push(Found::look(model, root)?);
    }
    update_manifests(&found, &current.path)?;
    let statements = found.iter().map(|found| found.mend(registry)).collect::<Result<Vec<_>, _>>()?;
    let statements: Vec<_> = statements.into_iter().flatten().collect();
    if !statements.is_empty() {
        session.batch(&format!("BEGIN; {}; COMMIT", statements.join("; "))).await?;
    }
    Ok(())
}

/// When a file was modified last, in nanoseconds since 1970.
pub(crate) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Brings the manifests up to date before anything is cut off: a manifest may list less than there is, not more.
fn update_manifests(found: &[Found], current: &Path) -> Result<(), Refused> {
    let mut folders: Vec<_> =
        found.iter().map(|found| found.folder.as_path()).filter(|folder| folder.is_dir()).collect();
    folders.push(current);
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        let (kept, unused): (Vec<_>, Vec<_>) =
            found.iter().filter(|found| found.folder == folder).partition(|found| found.model.rows > 0);
        let entries: Vec<_> = kept.into_iter().map(|found| entry(&found.model)).collect();
        let unused: Vec<_> = unused.into_iter().map(|found| found.model.file.as_str()).collect();
        manifest::amend(folder, &entries, &unused)?;
    }
    Ok(())
}

fn entry(model: &Model) -> Entry {
    Entry {
        file: model.file.clone(),
        table: model.rule.clone(),
        columns: model.columns.clone(),
        rows: model.rows.unsigned_abs(),
        bytes: model.bytes.unsigned_abs(),
        sha256: model.sha256.clone(),
        from: model.low.clone(),
        to: model.high.clone(),
        run: model.run,
    }
}

impl Found {
    fn look(model: Model, root: &Path) -> Result<Self, Refused> {
        let folder = Folder::new(root, &model.folder).path;
        let path = folder.join(&model.file);
        let file = match (model.sealed, path.symlink_metadata()) {
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return if model.rows == 0 { Ok(Self { model, folder, file: None }) } else { Err(missing(&path)) };
            }
            (Some(sealed), Ok(there)) if there.len() == model.bytes.unsigned_abs() && modified(&there) == sealed => {
                return Ok(Self { model, folder, file: None });
            }
            (Some(_), _) => File::open(&path),
            (None, _) => folder::options().write(true).open(&path).and_then(|file| folder::lock(&file).map(|()| file)),
        };
        let read = file.and_then(|file| {
            let (length, digest) = (file.metadata()?.len(), data::sha256(&file, model.bytes.unsigned_abs())?);
            Ok((file, length, digest))
        });
        let (file, length, digest) = read.map_err(|error| refusal("read", &path, &error))?;
        let bytes = model.bytes.unsigned_abs();
        let as_written = model.rows == 0 || digest == model.sha256;
        // Rows that do not count are only behind what a run did not seal.
        let long = length == bytes || length > bytes && model.sealed.is_none();
        if as_written && long {
            Ok(Self { model, folder, file: Some(file) })
        } else {
            Err(changed(&path, bytes, length))
        }
    }

    /// Cuts off what does not count. Gives the statement that is then true.
    fn mend(&self, registry: &Registry) -> Result<Option<String>, Refused> {
        let path = self.folder.join(&self.model.file);
        let refused = |error: io::Error| refusal("mend", &path, &error);
        if self.model.rows == 0 {
            folder::remove(&path).map_err(refused)?;
            return Ok(Some(registry.archive_file_unused(self.model.id)));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let bytes = self.model.bytes.unsigned_abs();
        let cut = || {
            if file.metadata()?.len() > bytes {
                file.set_len(bytes)?;
                file.sync_all()?;
            }
            file.metadata()
        };
        Ok(Some(registry.archive_file_sealed(self.model.id, modified(&cut().map_err(refused)?))))
    }
}

/// The statement that seals a file which nobody writes any more.
pub(crate) fn sealed(registry: &Registry, id: i64, path: &Path) -> Result<String, Refused> {
    let metadata = fs::metadata(path).map_err(|error| refusal("read", path, &error))?;
    Ok(registry.archive_file_sealed(id, modified(&metadata)))
}

fn without_table(error: LiveError) -> BatchError {
    if sqlstate::is(&error, sqlstate::UNDEFINED_TABLE) {
        let hint = "run `reconcile apply` once: it creates the tables of the records".to_owned();
        return BatchError::Refused(Refused::new(error.to_string(), hint));
    }
    error.into()
}

fn missing(path: &Path) -> Refused {
    Refused::new(
        format!("{} is not there, and archived rows were in it; nothing was deleted", path.display()),
        "put it back; if it has a place elsewhere for good, delete its row from the registry's `archive_file`"
            .to_owned(),
    )
}

fn changed(path: &Path, bytes: u64, length: u64) -> Refused {
    let what = if length < bytes {
        format!("has {length} of the {bytes} bytes that were written")
    } else {
        "is not what was written".to_owned()
    };
    Refused::new(
        format!("{} {what}, and archived rows were in it; nothing was deleted", path.display()),
        "put a copy of it back, or archive to another folder, and save what is in this one".to_owned(),
    )
}
