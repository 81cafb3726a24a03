//! Carries what `core` asks to a live database and the answers back: connections, sessions, round trips. Executes no DDL,
//! but for temporary objects that `core` has made and rolled back. What is asked, and what an answer means, is left to `core`.

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

/// Reads everything that a plan relies on.
///
/// # Errors
/// The connection fails, a query of ours does, or somebody holds what has to be read.
pub async fn read(session: &mut Session, reading: Reading<'_>) -> Result<Read, LiveError> {
    match reading.read(session).await {
        Ok(read) => Ok(read),
        Err(error) => Err(held::explained(session, error).await),
    }
}
