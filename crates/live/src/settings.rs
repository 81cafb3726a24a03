//! What a session of ours assumes: settings that decide how the server reads and prints, or how long we may stand in
//! others' way.

use reconcile_core::postgres::{name::Ident, sql::Sql};

use crate::{LiveError, Session};

const ALL: [&str; 14] = [
    "search_path = ''",
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "IntervalStyle = 'postgres'",
    "quote_all_identifiers = off",
    "extra_float_digits = 1",
    "bytea_output = 'hex'",
    "client_min_messages = warning",
    "lock_timeout = '2s'",
    "statement_timeout = '5min'",
    "jit = off",
    "work_mem = '64MB'",
    "max_parallel_workers_per_gather = 0",
    // A reader that a server setting would end in the midst of its snapshot.
    "idle_in_transaction_session_timeout = '5min'",
];

/// The text of statements is read before any of them runs, so this one cannot stand in the batch that needs it. Poolers
/// know it, and give each client its own (pgbouncer's `track_extra_parameters`).
pub(crate) const FIRST: &str = "SET standard_conforming_strings = on; ";

/// For the transaction that they open. A transaction pooler hands the connection to somebody else afterwards, who must
/// find nothing of ours on it (TRAPS 12).
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
    let batch =
        format!("{FIRST}{settings}SET lock_timeout = 0; SET statement_timeout = 0; RESET work_mem; {UNLIMITED}{path}");
    session.batch(&batch).await?;
    // The server learns at once when we are gone, and gives our locks free. Not every platform can tell.
    let _ = session.batch("SET client_connection_check_interval = '1s'").await;
    Ok(())
}

/// Whatever of these the server has: it would end a session of ours that waits for its turn, or a long build.
const UNLIMITED: &str = "SELECT set_config(name, '0', false) FROM pg_settings \
    WHERE name IN ('idle_session_timeout', 'transaction_timeout'); ";

fn written(set: &str) -> String {
    let settings = ALL.map(|setting| format!("{set}{setting}; "));
    settings.concat()
}
