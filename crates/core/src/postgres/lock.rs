//! Table locks, by the names that `pg_locks` shows (manual, section 13.3.1).

use serde::{Deserialize, Serialize};

/// The strongest table lock that a statement takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lock {
    /// It blocks other maintenance of the table, but neither reads nor writes.
    ShareUpdateExclusiveLock,
    /// It blocks writes.
    ShareLock,
    /// It blocks reads and writes.
    AccessExclusiveLock,
}

impl Lock {
    /// What the lock blocks, for users of the table.
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

/// The first of the two numbers of the advisory lock that a run of a retention rule or a refresh of a view holds
/// ("retn" in ASCII). The second number is the object identifier of the table. Locks with two numbers never conflict
/// with locks with one (manual, section 13.3.5).
pub const RUN_LOCK: i32 = 0x7265_746e;
