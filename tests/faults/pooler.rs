//! A pooler between the program and the server. What belongs to a session does not survive one that pools
//! transactions: a plan leaves no trace in other clients' sessions, and an apply refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use reconcile_scratch::{PoolMode, Pooler, ScratchError};

use super::visitor::{EndOf, Visitor};
use crate::common::{Database, Project, newest};

const SCHEMA: &str = "tables: { t: { indexes: { i: [a], j: { columns: [b], where: \"b = 'x'\" } } } }\n";

const PLAIN: &str = "tables: { t: { indexes: { i: [a] } } }\n";

/// What the sessions of an application may rely on, and what a program like this likes to change.
const SETTINGS: &str = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN \
    ('search_path', 'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'TimeZone', 'DateStyle', \
    'IntervalStyle', 'quote_all_identifiers', 'default_transaction_isolation', 'default_transaction_read_only', \
    'extra_float_digits', 'enable_seqscan', 'client_min_messages', 'application_name', 'standard_conforming_strings', \
    'transaction_isolation', 'bytea_output', 'row_security', 'constraint_exclusion', 'jit')";

fn project() -> (Database, Project) {
    let (database, project) = (Database::new(newest()), Project::with(SCHEMA));
    database.sql("CREATE TABLE t (a integer, b text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) n");
    (database, project)
}

/// A pooler before the newest server, or None on a machine that has none.
fn pooler(mode: PoolMode, size: u16) -> Option<Pooler> {
    match Pooler::start(newest().server(), mode, size) {
        Ok(pooler) => Some(pooler),
        Err(error @ ScratchError::NoProgram { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// An apply exits with 3, says that it is because of the pooler, and leaves nothing: no schema, no index, no lock.
fn expect_refused(database: &Database, project: &Project, url: &str) {
    let before = database.indexes();
    let run = project.run_at(url, &["apply", "--auto-approve", "--allow", "all"]).expect_said(3, "pooler");
    assert!(run.took < Duration::from_secs(20), "it took {:?}: {run}", run.took);
    assert_eq!(before, database.indexes());
    let left = "SELECT nspname FROM pg_namespace WHERE nspname = 'reconcile'; SELECT pid, objid FROM pg_locks \
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(database.sql(left), "");
}

#[test]
fn an_apply_through_a_pool_of_transactions_is_refused() {
    // With one server connection, two of ours can only take turns: that must not end in waiting for each other.
    for size in [1, 2, 20] {
        let Some(pooler) = pooler(PoolMode::Transaction, size) else { return };
        let (database, project) = project();
        expect_refused(&database, &project, &pooler.url(&database.name));
    }
}

/// Adoption changes no object, but what it writes is written under the lock as well.
#[test]
fn an_adoption_through_a_pool_of_transactions_is_refused() {
    let Some(pooler) = pooler(PoolMode::Transaction, 2) else { return };
    let (database, project) = project();
    project.write("schema/tables.yaml", PLAIN);
    database.sql("CREATE INDEX i ON t (a)");
    expect_refused(&database, &project, &pooler.url(&database.name));
}

#[test]
fn an_apply_through_a_pool_of_transactions_is_refused_while_others_use_it() {
    let Some(pooler) = pooler(PoolMode::Transaction, 4) else { return };
    let (database, project) = project();
    let (url, over) = (pooler.url(&database.name), AtomicBool::new(false));
    scope(|scope| {
        for client in 0..6 {
            let (url, over) = (&url, &over);
            scope.spawn(move || {
                let mut visitor = Visitor::new(newest().installation(), url);
                while !over.load(Ordering::Relaxed) {
                    visitor.ask("BEGIN; SELECT count(*) FROM t; SELECT pg_sleep(0.003); COMMIT");
                    // Some use it all the time, some now and then: who meets which backend changes all the time.
                    sleep(Duration::from_millis(client * 3));
                }
            });
        }
        let end = EndOf(&over);
        for _ in 0..5 {
            expect_refused(&database, &project, &url);
        }
        drop(end);
    });
}

#[test]
fn a_plan_through_a_pool_of_transactions_leaves_other_sessions_alone() {
    const SIZE: usize = 3;
    let Some(pooler) = pooler(PoolMode::Transaction, 3) else { return };
    let (database, project) = project();
    let url = pooler.url(&database.name);
    let mut visitors: Vec<_> = (0..SIZE).map(|_| Visitor::new(newest().installation(), &url)).collect();
    // All of them inside a transaction at once: so they meet every connection of the pool.
    let mut ask_all = |question: &str| -> Vec<String> {
        let mut answers = Vec::new();
        for visitor in &mut visitors {
            answers.push(visitor.ask(&format!("BEGIN; {question}")));
        }
        for visitor in &mut visitors {
            visitor.ask("COMMIT");
        }
        answers
    };
    let before = ask_all(SETTINGS);
    let traces = database.traces();
    // Indexes that need the server to read SQL, and indexes that do not, are planned in different transactions.
    for schema in [SCHEMA, PLAIN, "tables: {}\n"] {
        project.write("schema/tables.yaml", schema);
        project.run_at(&url, &["plan"]).expect(0);
        assert_eq!(before, ask_all(SETTINGS), "after a plan of {schema}");
    }
    project.run_at(&url, &["import", "--out", "imported"]).expect(0);
    assert_eq!(before, ask_all(SETTINGS), "after an import");
    assert_eq!(traces, database.traces());
    let prepared = "SELECT count(*) FROM pg_prepared_statements";
    assert_eq!(ask_all(prepared), ["0"; SIZE]);
}

#[test]
fn plans_through_a_pool_of_transactions_are_right_while_others_use_it() {
    let Some(pooler) = pooler(PoolMode::Transaction, 3) else { return };
    let (database, project) = project();
    let plan = project.run(&database, &["plan"]).expect(0).stdout;
    let (url, over) = (pooler.url(&database.name), AtomicBool::new(false));
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut visitor = Visitor::new(newest().installation(), &url);
                while !over.load(Ordering::Relaxed) {
                    // Times out, or finds no table, if a setting of ours has come to its session.
                    visitor.ask(
                        "SELECT count(*) FROM t; SELECT 1 / (current_setting('search_path') LIKE '%public%')::integer",
                    );
                }
            });
        }
        let end = EndOf(&over);
        for _ in 0..5 {
            assert_eq!(plan, project.run_at(&url, &["plan"]).expect(0).stdout);
        }
        drop(end);
    });
}

#[test]
fn an_apply_through_a_pool_of_sessions_works() {
    let Some(pooler) = pooler(PoolMode::Session, 20) else { return };
    let (database, project) = project();
    let url = pooler.url(&database.name);
    project.run_at(&url, &["apply", "--auto-approve"]).expect(0);
    project.run_at(&url, &["plan", "--detailed-exitcode"]).expect(0);
    project.expect_no_changes(&database);
}
