//! Finds a transaction pooler between the program and the server. Behind one, locks, settings and prepared statements
//! end up in the sessions of other clients (docs/pitfalls.md, "A transaction pooler gives each transaction another
//! session").

use reconcile_live::{LiveError, Session};

use crate::monitor::backend_pid;

/// How often both connections are asked. Another client may take the backend in between once, but hardly every time.
const ROUNDS: usize = 3;

/// Whether a pooler serves the two connections: both have the same backend, or one of them changes its backend.
pub(crate) async fn is_between(one: &mut Session, other: &mut Session) -> Result<bool, LiveError> {
    let mut first = None;
    for _ in 0..ROUNDS {
        let pids = (backend_pid(one).await?, backend_pid(other).await?);
        if pids.0 == pids.1 || *first.get_or_insert(pids) != pids {
            return Ok(true);
        }
    }
    Ok(false)
}
