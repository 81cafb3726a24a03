//! What a session of ours assumes: settings that decide how the server reads and prints, or how long we may stand in
//! others' way.

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

/// For a connection that is known to be ours alone, without limits in time: the steps of a plan bring their own.
#[must_use]
pub fn session() -> String {
    format!("{FIRST}{}SET lock_timeout = 0; SET statement_timeout = 0; RESET work_mem; {UNLIMITED}", written("SET "))
}

/// Whatever of these the server has: it would end a session of ours that waits for its turn, or a long build.
const UNLIMITED: &str = "SELECT set_config(name, '0', false) FROM pg_settings \
    WHERE name IN ('idle_session_timeout', 'transaction_timeout'); ";

fn written(set: &str) -> String {
    let settings = ALL.map(|setting| format!("{set}{setting}; "));
    settings.concat()
}
