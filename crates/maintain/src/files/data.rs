//! A data file: JSON Lines, compressed. What a batch adds is a gzip member of its own, on the disk and read back before
//! it counts; members one behind the other are a gzip file. Another format stands beside this one, with the same calls:
//! `create`, `row`, `end`, then `keep` or `take_back`.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use reconcile_core::digest;
use sha2::{Digest as _, Sha256};

use super::folder;

const BUFFER: usize = 1 << 16;

/// A file that a run writes. As long as it is open, nobody else mends it.
pub(crate) struct DataFile {
    file: Arc<File>,
    kept: Content,
    member: Option<Member>,
    dirty: bool,
}

/// What a file holds, from its first byte on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    digest: Sha256,
}

/// The rows of a batch, on their way.
struct Member {
    encoder: GzEncoder<BufWriter<Arc<File>>>,
    lines: Lines,
}

/// What tells lines that were read from those that were written.
#[derive(Clone, Debug, Default)]
struct Lines {
    count: u64,
    digest: Sha256,
}

impl DataFile {
    /// Makes a file that was not there.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = folder::options().append(true).create_new(true).open(path)?;
        folder::lock(&file)?;
        Ok(Self { file: Arc::new(file), kept: Content::default(), member: None, dirty: false })
    }

    /// Adds a row to the batch.
    pub(crate) fn row(&mut self, json: &str) -> io::Result<()> {
        self.dirty = true;
        let member = self.member.get_or_insert_with(|| Member {
            encoder: GzEncoder::new(BufWriter::new(Arc::clone(&self.file)), Compression::default()),
            lines: Lines::default(),
        });
        // Within strings, JSON has no line break: this one stands between the parts of a value.
        let line =
            if json.contains(['\n', '\r']) { Cow::Owned(json.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(json) };
        for part in [line.as_bytes(), b"\n"] {
            member.lines.add(part);
            member.encoder.write_all(part)?;
        }
        Ok(())
    }

    /// Puts the rows of the batch on the disk and reads them back. Gives what the file then holds; it does not count
    /// before [`DataFile::keep`].
    pub(crate) fn end(&mut self) -> io::Result<Content> {
        let Some(Member { encoder, lines }) = self.member.take() else { return Ok(self.kept.clone()) };
        encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.file.sync_all()?;
        let reading = Reading { file: &self.file, at: self.kept.bytes, digest: self.kept.digest.clone() };
        let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, reading));
        let read = Lines::of(&mut decoder)?;
        if !read.same_as(&lines) {
            return Err(io::Error::other("what was read back is not what was written"));
        }
        let reading = decoder.into_inner().into_inner();
        Ok(Content { rows: self.kept.rows + lines.count, bytes: reading.at, digest: reading.digest })
    }

    /// The rows have gone from the table.
    pub(crate) fn keep(&mut self, content: Content) {
        self.kept = content;
        self.dirty = false;
    }

    /// Whether there are rows in it that do not count.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What counts.
    pub(crate) fn kept(&self) -> &Content {
        &self.kept
    }

    /// The rows have stayed in the table.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        // An encoder writes its last bytes when it is dropped.
        self.member = None;
        self.file.set_len(self.kept.bytes)?;
        self.dirty = false;
        Ok(())
    }
}

impl Content {
    /// The digest, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        hexadecimal(self.digest.clone())
    }
}

impl Lines {
    fn of(from: &mut impl Read) -> io::Result<Self> {
        let (mut lines, mut buffer) = (Self::default(), vec![0; BUFFER]);
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(lines),
                read => lines.add(&buffer[..read]),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        self.digest.update(bytes);
    }

    fn same_as(&self, other: &Self) -> bool {
        self.count == other.count && self.digest.clone().finalize() == other.digest.clone().finalize()
    }
}

/// Reads on from a place, and goes on with the digest of all before it.
struct Reading<'a> {
    file: &'a File,
    at: u64,
    digest: Sha256,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.digest.update(&buffer[..read]);
        self.at += read as u64;
        Ok(read)
    }
}

/// The digest of the first `bytes` of a file, in hexadecimal digits.
pub(crate) fn sha256(file: &File, bytes: u64) -> io::Result<String> {
    let mut reading = Reading { file, at: 0, digest: Sha256::new() };
    io::copy(&mut (&mut reading).take(bytes), &mut io::sink())?;
    Ok(hexadecimal(reading.digest))
}

fn hexadecimal(digest: Sha256) -> String {
    digest::hexadecimal(&digest.finalize())
}
