//! The settings of a session that is ours alone, or of one transaction, for who does not ask by batches.

use reconcile_core::{
    postgres::{batch::SETTINGS, name::Ident, sql::Sql},
    server::FIRST,
};

use crate::{LiveError, Session};

/// For the transaction that they open. A transaction pooler hands the connection to somebody else afterwards, who must
/// find nothing of ours on it.
#[must_use]
pub fn local() -> String {
    written("SET LOCAL ")
}

/// Makes a connection that is known to be ours alone what work expects, without limits in time: the steps of a plan
/// bring their own.
///
/// # Errors
/// The connection or the server fails.
pub async fn take(session: &mut Session, search_path: &[Ident]) -> Result<(), LiveError> {
    let path = Sql::new("SET search_path = ").search_path(search_path);
    let settings = written("SET ");
    let batch = format!(
        "{FIRST}; {settings}SET lock_timeout = 0; SET statement_timeout = 0; RESET work_mem; {UNLIMITED}{path}"
    );
    session.batch(&batch).await?;
    // The server learns at once when we are gone, and gives our locks free. Not every platform can tell.
    let _ = session.batch("SET client_connection_check_interval = '1s'").await;
    Ok(())
}

/// Whatever of these the server has: it would end a session of ours that waits for its turn, or a long build.
const UNLIMITED: &str = "SELECT set_config(name, '0', false) FROM pg_settings \
    WHERE name IN ('idle_session_timeout', 'transaction_timeout'); ";

fn written(set: &str) -> String {
    let settings = SETTINGS.map(|setting| format!("{set}{setting}; "));
    settings.concat()
}
