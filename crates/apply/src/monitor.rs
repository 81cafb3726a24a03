//! Watches a statement from a second connection: its progress, and the session that blocks it. Cancels it on request.

use std::time::Duration;

use reconcile_core::{
    plan::Effect,
    postgres::{name::QualifiedName, sql::Sql},
};
use reconcile_live::{LiveError, Session, Target, session::Rows};
use sea_orm::sqlx::Row as _;

/// The time between two looks of the monitor.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// What the monitor saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The progress of a build.
    pub progress: Option<Progress>,
    /// The session that the statement waits for.
    pub blocker: Option<Blocker>,
}

/// A row of `pg_stat_progress_create_index` (manual, section 28.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase, such as `building index: scanning table`.
    pub phase: String,
    /// Blocks, tuples or lockers done. The phase determines which of them it counts.
    pub done: u64,
    /// The total of the same.
    pub total: u64,
}

/// A session that a statement waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The process ID of its backend.
    pub pid: i32,
    /// Its role.
    pub user: String,
    /// Its `application_name`.
    pub application: String,
    /// Its state, such as `idle in transaction`.
    pub state: String,
    /// Its latest query, cut to 200 characters.
    pub query: String,
    /// Seconds since its transaction began.
    pub age: i64,
}

/// A second connection, which watches that of a worker. It is opened when it is first needed, and again when it broke.
#[derive(Debug)]
pub struct Monitor {
    target: Target,
    session: Option<Session>,
    pid: i32,
}

/// Columns of a [`Blocker`].
const BLOCKER: &str = "a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), \
    coalesce(a.state, ''), left(coalesce(a.query, ''), 200), \
    coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::int8, 0)";

impl Monitor {
    /// Watches the connection that this process serves.
    #[must_use]
    pub fn new(pid: i32, target: Target) -> Self {
        Self { target, session: None, pid }
    }

    async fn batch(&mut self, sql: &str) -> Result<Vec<Rows>, LiveError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::connect(&self.target).await?,
        };
        let results = session.batch(sql).await?;
        self.session = Some(session);
        Ok(results)
    }

    /// Looks once at the statement.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn look(&mut self) -> Result<Observation, LiveError> {
        let progress = Sql::new(
            "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done WHEN tuples_total > 0 THEN tuples_done \
             ELSE lockers_done END, CASE WHEN blocks_total > 0 THEN blocks_total WHEN tuples_total > 0 \
             THEN tuples_total ELSE lockers_total END FROM pg_stat_progress_create_index WHERE pid = ",
        )
        .number(i64::from(self.pid));
        let blocker = format!(
            "SELECT {BLOCKER} FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids({})) LIMIT 1",
            self.pid
        );
        let results = self.batch(&format!("{progress}; {blocker}")).await?;
        let count = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        let progress = match results.first().and_then(|rows| rows.first()) {
            Some(row) => {
                Some(Progress { phase: row.try_get(0)?, done: count(row.try_get(1)?), total: count(row.try_get(2)?) })
            }
            None => None,
        };
        Ok(Observation {
            progress,
            blocker: results.get(1).and_then(|rows| rows.first()).map(read_blocker).transpose()?,
        })
    }

    /// One of the transactions in `since` that concurrent builds or drops would have to wait for. A build waits for
    /// snapshots and for transactions that may write to its table. A drop waits for every transaction that uses the
    /// table (docs/pitfalls.md, "A concurrent build waits for older transactions"; manual, section 13.3.1). Every role
    /// may see this much of the sessions of others.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn older(&mut self, effects: &[&Effect], since: &[String]) -> Result<Option<Blocker>, LiveError> {
        if since.is_empty() {
            return Ok(None);
        }
        let builds =
            effects.iter().any(|effect| matches!(effect, Effect::IndexValid { .. } | Effect::IndexRebuilt { .. }));
        let snapshots = if builds { "a.backend_xmin IS NOT NULL OR " } else { "" };
        let held = |sql: Sql, effect: &&Effect| {
            let modes = match effect {
                Effect::IndexValid { .. } => ") AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')",
                // A rebuild drops the index that it replaces, so it waits for every transaction that uses the table.
                Effect::IndexRebuilt { .. } | Effect::IndexGone { .. } => ")",
            };
            sql.raw("l.relation = to_regclass(").literal(&effect.table().quoted()).raw(modes)
        };
        let sql = Sql::new("SELECT ")
            .raw(BLOCKER)
            .raw(" FROM pg_stat_activity a JOIN pg_locks v ON v.pid = a.pid AND v.locktype = 'virtualxid' AND v.granted ")
            .raw("AND v.virtualxid = v.virtualtransaction WHERE v.virtualtransaction IN (")
            .list(since, ", ", |sql, transaction| sql.literal(transaction))
            .raw(") AND (")
            .raw(snapshots)
            .raw("EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND (")
            .list(effects, " OR ", held)
            .raw("))) ORDER BY a.xact_start NULLS LAST LIMIT 1");
        let results = self.batch(sql.as_str()).await?;
        results.first().and_then(|rows| rows.first()).map(read_blocker).transpose()
    }

    /// The open transactions of other sessions in this database, without the backends in `ours`.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn present(&mut self, ours: &[i32]) -> Result<Vec<String>, LiveError> {
        let sql = Sql::new(
            "SELECT v.virtualtransaction FROM pg_locks v JOIN pg_stat_activity a ON a.pid = v.pid \
             WHERE v.locktype = 'virtualxid' AND v.granted AND v.virtualxid = v.virtualtransaction \
             AND a.datname = current_database() AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid() \
             AND a.pid NOT IN (",
        )
        .list(ours, ", ", |sql, pid| sql.number(i64::from(*pid)))
        .raw(")");
        let rows = self.batch(sql.as_str()).await?;
        rows.iter().flatten().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Cancels the statement.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn cancel(&mut self) -> Result<(), LiveError> {
        let sql = Sql::new("SELECT pg_cancel_backend(").number(i64::from(self.pid)).raw(")");
        self.batch(sql.as_str()).await.map(drop)
    }
}

/// The process ID of the backend that serves a connection at this moment.
///
/// # Errors
/// The connection fails.
pub async fn backend_pid(session: &mut Session) -> Result<i32, LiveError> {
    match session.row("SELECT pg_backend_pid()").await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(LiveError::Connection("the server did not tell the process of its backend".to_owned())),
    }
}

/// The session with the oldest transaction that holds a stronger lock than a reader's on one of the tables. Row locks
/// are not shown themselves, but they come with such a lock.
///
/// # Errors
/// The connection fails.
pub async fn holder<'a>(
    session: &mut Session,
    tables: impl IntoIterator<Item = &'a QualifiedName>,
) -> Result<Option<Blocker>, LiveError> {
    let sql = Sql::new("SELECT ")
        .raw(BLOCKER)
        .raw(" FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid ")
        .raw("AND l.granted AND l.mode <> 'AccessShareLock' AND l.relation IN (NULL")
        .list(tables, "", |sql, table| sql.raw(", to_regclass(").literal(&table.quoted()).raw(")"))
        .raw(")) ORDER BY a.xact_start NULLS LAST LIMIT 1");
    session.row(sql.as_str()).await?.as_ref().map(read_blocker).transpose()
}

fn read_blocker(row: &sea_orm::sqlx::postgres::PgRow) -> Result<Blocker, LiveError> {
    Ok(Blocker {
        pid: row.try_get(0)?,
        user: row.try_get(1)?,
        application: row.try_get(2)?,
        state: row.try_get(3)?,
        query: row.try_get(4)?,
        age: row.try_get(5)?,
    })
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} of user {}", self.pid, self.user)?;
        if !self.application.is_empty() {
            write!(f, " ({})", self.application)?;
        }
        write!(f, ", {} for {} s: {}", self.state, self.age, self.query)
    }
}
