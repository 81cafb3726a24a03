//! Session-level advisory locks. Each is tried again and again, and never waited for inside the server, so that no old
//! snapshot is kept meanwhile (docs/pitfalls.md, "A session that waits for an advisory lock holds a snapshot"). The
//! meaning of a lock is left to the code that defines its key.

use std::time::Duration;

use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};

/// The pause between two attempts.
pub const POLL: Duration = Duration::from_millis(100);

/// The key of a lock. Advisory locks are per database (manual, section 13.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One number of 64 bits.
    One(i64),
    /// Two numbers of 32 bits: the kind of the lock, and the OID of the object that it protects.
    Two(i32, u32),
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process ID of its backend.
    pub pid: i32,
    /// Its `application_name`.
    pub application: String,
    /// When its connection was opened, by the clock of the database. `None` if this role may not see it.
    pub since: Option<String>,
}

impl Key {
    /// Takes the lock, unless another session has it.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn try_lock(self, session: &mut Session) -> Result<bool, LiveError> {
        self.call(session, "pg_try_advisory_lock").await
    }

    /// Takes the lock in shared mode, unless another session has it exclusively.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn try_lock_shared(self, session: &mut Session) -> Result<bool, LiveError> {
        self.call(session, "pg_try_advisory_lock_shared").await
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn unlock(self, session: &mut Session) -> Result<(), LiveError> {
        self.call(session, "pg_advisory_unlock").await.map(drop)
    }

    async fn call(self, session: &mut Session, function: &str) -> Result<bool, LiveError> {
        let arguments = match self {
            Self::One(number) => number.to_string(),
            // An OID is an unsigned number of 32 bits, and the function takes a signed one.
            Self::Two(kind, object) => format!("{kind}, {}", object.cast_signed()),
        };
        let row = session.row(&format!("SELECT {function}({arguments})")).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()? == Some(true))
    }

    /// The condition for the rows of this lock in `pg_locks`, with the alias `l`.
    fn condition(self) -> String {
        let (class, object, sub) = match self {
            Self::One(number) => {
                let number = number.cast_unsigned();
                (number >> 32, number & u64::from(u32::MAX), 1)
            }
            Self::Two(kind, object) => (u64::from(kind.cast_unsigned()), u64::from(object), 2),
        };
        format!("l.classid = {class}::oid AND l.objid = {object}::oid AND l.objsubid = {sub}")
    }
}

/// Repeats an attempt to lock until it succeeds or `patience` is over. Returns whether it succeeded.
///
/// # Errors
/// The attempt fails.
pub async fn poll(
    session: &mut Session,
    patience: Duration,
    mut attempt: impl AsyncFnMut(&mut Session) -> Result<bool, LiveError>,
) -> Result<bool, LiveError> {
    let until = Instant::now() + patience;
    loop {
        if attempt(session).await? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}

/// Another session that holds one of these locks, that with the lowest key first. `None` if there is none any more.
///
/// # Errors
/// The connection or the server fails.
pub async fn holder(session: &mut Session, keys: &[Key]) -> Result<Option<Holder>, LiveError> {
    let conditions: Vec<_> = keys.iter().map(|key| key.condition()).collect();
    let sql = format!(
        "SELECT a.pid, coalesce(a.application_name, ''), a.backend_start::text \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND ({}) \
         AND a.pid <> pg_backend_pid() ORDER BY l.objid LIMIT 1",
        conditions.join(" OR ")
    );
    let Some(row) = session.row(&sql).await? else { return Ok(None) };
    Ok(Some(Holder { pid: row.try_get(0)?, application: row.try_get(1)?, since: row.try_get(2)? }))
}
