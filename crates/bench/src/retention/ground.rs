//! The server, and the table that every contender gets a copy of.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use reconcile_scratch::{Options, Server};

use crate::{failure::Failure, programs::Programs, progress::timed};

const SEED: &str = "seed";
const COPY: &str = "copy";

/// A server that keeps its promises, as scratch servers do not by themselves, and that has room for the whole table.
/// Checkpoints come when this benchmark wants them, and recycle the log's files; statistics are gathered here, once.
const SETTINGS: [(&str, &str); 10] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("min_wal_size", "4GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("jit", "off"),
    ("log_line_prefix", super::transactions::PREFIX),
];

/// From this server version on, a database is copied through the log unless one asks for its files.
const STRATEGY_MAJOR: u32 = 15;

/// The part of rows, the youngest, that the client works on.
const YOUNG: u32 = 20;

/// The server. It and all its files are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Ground {
    server: Server,
    rows: u32,
}

/// The numbers of the rows that the client works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Young {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// SQL for the point in time before which so many percent of the rows lie.
pub(crate) fn cut_off(percent: u32) -> String {
    format!("now() - interval '{} days'", 100 - percent)
}

/// SQL for the key of the row with this number.
pub(crate) fn key(number: &str) -> String {
    format!("md5(({number})::text)::uuid")
}

impl Ground {
    /// Starts the server and fills the table.
    pub(crate) fn prepare(programs: &Programs, rows: u32, shuffled: bool) -> Result<Self, Failure> {
        let options = SETTINGS.iter().fold(Options::default(), |options, (name, value)| options.with(name, value));
        let server = Server::start(&programs.installation, options)?;
        server.create_database(SEED)?;
        timed(&format!("{rows} rows: create"), || {
            server.psql(SEED, &create_sql(rows, shuffled))?;
            Ok(server.psql(SEED, "VACUUM ANALYZE")?)
        })?;
        Ok(Self { server, rows })
    }

    /// Makes a fresh copy, and gives its URL. No connection to an earlier one may be left.
    pub(crate) fn fresh(&self) -> Result<String, Failure> {
        let strategy = if self.server.installation().major() >= STRATEGY_MAJOR { " STRATEGY file_copy" } else { "" };
        self.server.psql("postgres", &format!("DROP DATABASE IF EXISTS {COPY}"))?;
        self.server.psql("postgres", &format!("CREATE DATABASE {COPY} TEMPLATE {SEED}{strategy}"))?;
        Ok(self.server.url(COPY))
    }

    /// Reads the copy into the server's own memory, which only indexes do for a large table, and has all written.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        self.server.psql(
            COPY,
            "SET enable_seqscan = off;
             SET enable_bitmapscan = off;
             SET max_parallel_workers_per_gather = 0;
             SELECT count(payload) FROM event WHERE created_at > '-infinity';
             SELECT count(*) FROM event WHERE id >= '00000000-0000-0000-0000-000000000000';
             CHECKPOINT;",
        )?;
        Ok(())
    }

    /// How many rows are expired.
    pub(crate) fn expired(&self, percent: u32) -> Result<u64, Failure> {
        self.number(SEED, &format!("SELECT count(*) FROM event WHERE created_at < {}", cut_off(percent)))
    }

    /// Errors unless exactly the expired rows are gone, or moved.
    pub(crate) fn check(&self, percent: u32, expired: u64, archived: bool) -> Result<(), Failure> {
        let old = cut_off(percent);
        let left = self.number(COPY, &format!("SELECT count(*) FROM event WHERE created_at < {old}"))?;
        let stayed = self.number(COPY, "SELECT count(*) FROM event")?;
        let moved = self.number(COPY, "SELECT count(*) FROM event_archive")?;
        if (left, stayed, moved) == (0, u64::from(self.rows) - expired, if archived { expired } else { 0 }) {
            return Ok(());
        }
        let message = format!("{left} expired rows are left, {stayed} rows in all, and {moved} in the archive");
        Err(Failure::new(message).hint(format!("{expired} of {} rows were to go", self.rows)))
    }

    fn number(&self, database: &str, sql: &str) -> Result<u64, Failure> {
        let text = self.server.psql(database, sql)?;
        text.parse().map_err(|_| Failure::new(format!("`{text}` is no number of rows")))
    }

    /// Of the table without its indexes.
    pub(crate) fn bytes(&self) -> Result<u64, Failure> {
        self.number(SEED, "SELECT pg_table_size('event')")
    }

    pub(crate) fn version(&self) -> &str {
        self.server.installation().version()
    }

    pub(crate) fn young(&self) -> Young {
        Young { first: self.rows - self.rows / 100 * YOUNG, last: self.rows - 1 }
    }

    /// How long the server's log is.
    pub(crate) fn log_length(&self) -> u64 {
        self.server.log_path().metadata().map_or(0, |meta| meta.len())
    }

    /// What the server has logged since its log was so long.
    pub(crate) fn log_from(&self, length: u64) -> Result<String, Failure> {
        let path = self.server.log_path();
        let mut bytes = Vec::new();
        let mut read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(length))?;
            file.read_to_end(&mut bytes)
        };
        read().map_err(Failure::io("read", path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Rows of about 200 bytes, as many on each of the last hundred days, with nothing in the hours around the change of a
/// day: which rows are expired does not depend on how long the benchmark takes.
fn create_sql(rows: u32, shuffled: bool) -> String {
    let key = key("n");
    let order = if shuffled { "hashint4(n)" } else { "n" };
    format!(
        "CREATE TABLE event (
            id uuid NOT NULL,
            created_at timestamptz NOT NULL,
            account_id integer NOT NULL,
            kind text NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            payload text NOT NULL
        );
        INSERT INTO event (id, created_at, account_id, kind, payload)
        SELECT {key},
               now() - interval '100 days' + interval '2 hours' + interval '1 day' * (n::int8 * 100 / {rows})
                   + interval '20 hours' * (n::int8 * 100 % {rows}) / {rows},
               n % 10007, 'kind ' || n % 17, repeat(md5(n::text), 3) || n
        FROM generate_series(0, {rows} - 1) AS n ORDER BY {order};
        ALTER TABLE event ADD PRIMARY KEY (id);
        CREATE INDEX event_created_at_idx ON event (created_at);
        CREATE TABLE event_archive (LIKE event INCLUDING DEFAULTS);
        "
    )
}
