//! The settings of a session that nobody else uses, or of one transaction. Queries of `core` in batches bring their
//! own.

use reconcile_core::{
    postgres::{batch::SETTINGS, name::Ident, sql::Sql},
    server::FIRST,
};

use crate::{LiveError, Session};

/// The settings for the present transaction only. A transaction pooler gives the connection to another client
/// afterwards, and that must not inherit them.
#[must_use]
pub fn local() -> String {
    written("SET LOCAL ")
}

/// Sets up a connection that nobody else uses, for work without time limits. The steps of a plan set their own limits.
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
    // The server notices within a second that the client is gone, and releases its locks. Not every platform supports
    // this.
    let _ = session.batch("SET client_connection_check_interval = '1s'").await;
    Ok(())
}

/// Switches off those of these settings that the server has. They would end a waiting session, or a long build.
const UNLIMITED: &str = "SELECT set_config(name, '0', false) FROM pg_settings \
    WHERE name IN ('idle_session_timeout', 'transaction_timeout'); ";

fn written(set: &str) -> String {
    let settings = SETTINGS.map(|setting| format!("{set}{setting}; "));
    settings.concat()
}
