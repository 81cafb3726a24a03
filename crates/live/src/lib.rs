//! Carries the queries of `core` to a live database and the answers back: connections, sessions, round trips. It
//! executes no DDL, except for temporary objects that `core` creates and rolls back. The queries, and the meaning of
//! the answers, are left to `core`.

pub mod connect;
pub mod duplicates;
pub mod error;
pub mod explain;
mod held;
pub mod session;
pub mod settings;

pub use connect::Target;
pub use error::LiveError;
pub use session::Session;

use reconcile_core::reading::{Read, Reading};

/// Reads everything that a plan depends on.
///
/// # Errors
/// The connection or a query fails, or another session has locked an object that has to be read.
pub async fn read(session: &mut Session, reading: Reading<'_>) -> Result<Read, LiveError> {
    match reading.read(session).await {
        Ok(read) => Ok(read),
        Err(error) => Err(held::explained(session, error).await),
    }
}
