//! Archives in files. The rows of a batch are on the disk, read back and listed in the manifest before their delete
//! commits; what counts of a file commits with it. So at any moment a row is in at least one place. After an
//! interrupted run it may be in both, until the next run begins with `repair`. What a file looks like is left to
//! `data`.

mod data;
mod folder;
mod manifest;
mod repair;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use reconcile_apply::registry::{
    Registry,
    archive_file::{self, Begun},
};
use reconcile_core::{
    kinds::retention::{Rule, catalog::Table, lines, preflight::Refused},
    postgres::name::{Ident, QualifiedName},
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::{Row as _, postgres::PgRow};
use serde_json::{Value, json};

use crate::run_error::BatchError;
use data::{Content, DataFile};
use folder::{Folder, refusal};
use manifest::Entry;

/// A file that has so many bytes gets no more batches.
const FULL: u64 = 256 << 20;

/// A file that has so many rows gets no more batches.
const MANY: u64 = 5_000_000;

/// Where a run of a rule puts rows.
pub(crate) struct Archive {
    table: QualifiedName,
    folder: Folder,
    run: i64,
    columns: Value,
    current: Option<Current>,
    files: u32,
    /// What the last batch spent on the disk.
    on_disk: Duration,
}

/// The file that is written.
struct Current {
    id: i64,
    name: String,
    data: DataFile,
    bounds: Bounds,
    /// What it holds once the batch commits.
    next: Option<(Content, Bounds)>,
}

/// The first and the last point in time, in microseconds since 1970 and as the server writes them.
#[derive(Clone, Debug, Default)]
struct Bounds {
    low: Option<(i64, String)>,
    high: Option<(i64, String)>,
}

/// The archive of a rule, if it is one in files. Its files are repaired before it is opened.
pub(crate) async fn open(
    session: &mut Session,
    registry: &Registry,
    root: &Path,
    rule: &Rule,
    table: &Table,
    run: i64,
) -> Result<Option<Archive>, BatchError> {
    let Some(declared) = rule.folder() else { return Ok(None) };
    let folder = Folder::new(root, declared);
    folder.make()?;
    repair::mend(session, registry, root, &rule.table.to_string(), &folder).await?;
    let columns = table.columns.iter().map(|column| json!({ "name": column.name, "type": column.type_name })).collect();
    Ok(Some(Archive {
        table: rule.table.clone(),
        folder,
        run,
        columns,
        current: None,
        files: 0,
        on_disk: Duration::ZERO,
    }))
}

/// Says how rows come back from files, to people who want them back.
pub(crate) fn way_back(root: &Path, folder: &str, table: &Table) -> Refused {
    let (name, path) = (&table.name, Folder::new(root, folder).path);
    let line = Ident::generated(&format!("archived_{}", name.name.as_str()), name);
    Refused::new(
        format!("the rows of {name} were archived to files in {}", path.display()),
        format!(
            "manifest.json there says which FILE holds which of them; in psql: CREATE TEMP TABLE {} (line json); \\copy {} \
             FROM PROGRAM 'zcat FILE' WITH (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02') and then {}",
            line.quoted(),
            line.quoted(),
            lines::read(table, &line)
        ),
    )
}

impl Archive {
    /// Runs a batch and writes its rows, unless they are more than `most`. Gives the row of its counts.
    pub(crate) async fn take(
        &mut self,
        session: &mut Session,
        registry: &Registry,
        batch: &str,
        most: u32,
    ) -> Result<PgRow, BatchError> {
        self.on_disk = Duration::ZERO;
        self.ready(session, registry).await?;
        let Some(current) = &mut self.current else { return Err(no_answer().into()) };
        let path = self.folder.path.join(&current.name);
        let refused = |error: std::io::Error| BatchError::Refused(refusal("write", &path, &error));
        let mut counts: Option<(u64, PgRow)> = None;
        let take = |row: PgRow| -> Result<(), BatchError> {
            match &counts {
                None => counts = Some((gone(&row)?, row)),
                Some((gone, _)) if *gone > u64::from(most) => {}
                Some(_) => current.data.row(row.try_get(LINE).map_err(LiveError::from)?).map_err(refused)?,
            }
            Ok(())
        };
        session.each(batch, take).await?;
        let (gone, counts) = counts.ok_or_else(no_answer)?;
        if gone == 0 || gone > u64::from(most) {
            return Ok(counts);
        }
        let began = Instant::now();
        let content = current.data.end().map_err(refused)?;
        if content.rows != current.data.kept().rows + gone {
            return Err(BatchError::Refused(Refused::new(
                format!("{gone} rows were to be archived, and others came; the batch is taken back"),
                "",
            )));
        }
        let bounds = current.bounds.with(&counts)?;
        let entry = current.entry(&content, &bounds, &self.table, &self.columns, self.run);
        current.next = Some((content, bounds));
        manifest::amend(&self.folder.path, &[entry], &[])?;
        self.on_disk = began.elapsed();
        Ok(counts)
    }

    /// How long the last batch took beyond its statements, most of it for the disk. Smaller batches would only be more.
    pub(crate) fn on_disk(&self) -> Duration {
        self.on_disk
    }

    /// The statement that says what of the file counts once the batch commits; none, where it had no rows.
    pub(crate) fn update(&self, registry: &Registry) -> Option<String> {
        let current = self.current.as_ref()?;
        let (content, bounds) = current.next.as_ref()?;
        let (low, high) = bounds.texts();
        let sha256 = content.sha256();
        let content = archive_file::Content { rows: content.rows, bytes: content.bytes, sha256: &sha256, low, high };
        Some(registry.archive_file_holds(current.id, &content))
    }

    /// The batch has committed.
    pub(crate) fn committed(&mut self) {
        let Some(current) = &mut self.current else { return };
        if let Some((content, bounds)) = current.next.take() {
            current.data.keep(content);
            current.bounds = bounds;
        }
    }

    /// Seals what was written.
    pub(crate) async fn close(
        mut self,
        session: &mut Session,
        registry: &Registry,
        root: &Path,
    ) -> Result<(), BatchError> {
        // From here on, repair may mend it.
        match self.current.take() {
            None => return Ok(()),
            Some(current) => drop(current),
        }
        repair::mend(session, registry, root, &self.table.to_string(), &self.folder).await
    }

    /// Makes sure that there is a file with room, and that all rows in it count.
    pub(crate) async fn ready(&mut self, session: &mut Session, registry: &Registry) -> Result<(), BatchError> {
        if let Some(current) = self.current.as_mut().filter(|current| current.data.is_dirty()) {
            current.next = None;
            let kept = current.data.kept().clone();
            let entry = current.entry(&kept, &current.bounds, &self.table, &self.columns, self.run);
            let (entries, without) =
                if kept.rows > 0 { (vec![entry], None) } else { (Vec::new(), Some(current.name.as_str())) };
            manifest::amend(&self.folder.path, &entries, without.as_slice())?;
            let path = self.folder.path.join(&current.name);
            current.data.take_back().map_err(|error| refusal("mend", &path, &error))?;
        }
        let sealed = match &self.current {
            Some(current) if !current.is_full() => return Ok(()),
            Some(current) => repair::sealed(registry, current.id, &self.folder.path.join(&current.name))? + "; ",
            None => String::new(),
        };
        self.current = Some(self.begin(session, registry, &sealed).await?);
        Ok(())
    }

    /// Begins a file. Its entry commits before the file exists, so that `repair` knows every file.
    async fn begin(&mut self, session: &mut Session, registry: &Registry, sealed: &str) -> Result<Current, BatchError> {
        self.files += 1;
        let name = folder::name(&self.table, self.run, self.files);
        let path = self.folder.path.join(&name);
        let table = self.table.to_string();
        let begun =
            Begun { run: self.run, rule: &table, folder: &self.folder.declared, file: &name, columns: &self.columns };
        let insert = registry.archive_file_begun(&begun);
        let sql = format!("BEGIN; SET LOCAL synchronous_commit = on; {sealed}{insert}; COMMIT");
        let id = i64::try_from(session.number(&sql).await?).unwrap_or(i64::MAX);
        let data = DataFile::create(&path).map_err(|error| refusal("write", &path, &error))?;
        Ok(Current { id, name, data, bounds: Bounds::default(), next: None })
    }
}

impl Current {
    fn is_full(&self) -> bool {
        self.data.kept().bytes >= FULL || self.data.kept().rows >= MANY
    }

    fn entry(&self, content: &Content, bounds: &Bounds, table: &QualifiedName, columns: &Value, run: i64) -> Entry {
        let (low, high) = bounds.texts();
        Entry {
            file: self.name.clone(),
            table: table.to_string(),
            columns: columns.clone(),
            rows: content.rows,
            bytes: content.bytes,
            sha256: content.sha256(),
            from: low.map(str::to_owned),
            to: high.map(str::to_owned),
            run,
        }
    }
}

/// The column of a batch's rows that has a row's JSON; those with counts and bounds are before it.
const LINE: usize = 8;

fn no_answer() -> LiveError {
    LiveError::Connection("a batch gave no counts".to_owned())
}

fn gone(counts: &PgRow) -> Result<u64, LiveError> {
    let gone: i64 = counts.try_get(2)?;
    Ok(u64::try_from(gone).unwrap_or(0))
}

impl Bounds {
    /// The same, widened by the bounds of a batch, from its row of counts.
    fn with(&self, counts: &PgRow) -> Result<Self, LiveError> {
        let bound = |column: usize| -> Result<Option<(i64, String)>, LiveError> {
            let (text, at): (Option<String>, Option<i64>) = (counts.try_get(column)?, counts.try_get(column + 1)?);
            Ok(at.zip(text))
        };
        let (low, high) = (bound(4)?, bound(6)?);
        let low = self.low.clone().into_iter().chain(low).min_by_key(|(at, _)| *at);
        let high = self.high.clone().into_iter().chain(high).max_by_key(|(at, _)| *at);
        Ok(Self { low, high })
    }

    fn texts(&self) -> (Option<&str>, Option<&str>) {
        (self.low.as_ref().map(|(_, text)| text.as_str()), self.high.as_ref().map(|(_, text)| text.as_str()))
    }
}
