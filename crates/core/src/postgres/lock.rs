//! Table locks, by the names that `pg_locks` shows (manual, section 13.3.1).

use serde::{Deserialize, Serialize};

/// The strongest table lock that a statement takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lock {
    /// Blocks other maintenance of the table, neither reads nor writes.
    ShareUpdateExclusiveLock,
    /// Blocks writes.
    ShareLock,
    /// Blocks reads and writes.
    AccessExclusiveLock,
}

impl Lock {
    /// What it means to those who use the table.
    #[must_use]
    pub fn effect(self) -> &'static str {
        match self {
            Self::ShareUpdateExclusiveLock => "blocks neither reads nor writes",
            Self::ShareLock => "blocks writes",
            Self::AccessExclusiveLock => "blocks reads and writes",
        }
    }

    /// Whether users of the table wait behind a statement that waits for this lock.
    #[must_use]
    pub fn blocks_others(self) -> bool {
        match self {
            Self::ShareUpdateExclusiveLock => false,
            Self::ShareLock | Self::AccessExclusiveLock => true,
        }
    }
}

/// The first of the two numbers of the advisory lock that a run of a rule, or a refresh of a view, holds; the second is the table's object identifier.
/// "retn" in ASCII. Locks of two numbers do not meet those of one (manual, section 13.3.5).
pub const RUN_LOCK: i32 = 0x7265_746e;
