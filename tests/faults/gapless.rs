//! While an index is replaced, a valid one stands under its name at every moment, and nobody who writes waits for the
//! apply longer than the lock timeout.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::{
    site::Site,
    visitor::{EndOf, Visitor},
};
use crate::common::{Database, Project, newest};

const LOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// What a wait may take on top: the server has to notice the timeout, and to wake who waits.
const MARGIN: Duration = Duration::from_millis(100);

const POLL: Duration = Duration::from_millis(10);

const WRITERS: u32 = 3;

const PLAIN: &str = "CREATE TABLE t (id serial PRIMARY KEY, a integer, b integer); \
    INSERT INTO t (a, b) SELECT n, n FROM generate_series(1, 200000) n";

const PARTITIONED: &str = "CREATE TABLE t (id serial, a integer, b integer) PARTITION BY RANGE (a); \
    CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (30000); \
    CREATE TABLE t_mid PARTITION OF t FOR VALUES FROM (30000) TO (60000); \
    CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (60000) TO (MAXVALUE); \
    INSERT INTO t (a, b) SELECT n, n FROM generate_series(1, 200000) n";

/// The columns of what is valid under the name, and how many valid parts it has: all by one snapshot of the catalogs.
const STANDING: &str = "SELECT i.indkey::text || ' with ' || (SELECT count(*) FROM pg_inherits h JOIN pg_index p \
    ON p.indexrelid = h.inhrelid AND p.indisvalid WHERE h.inhparent = i.indexrelid) || ' parts' FROM pg_index i \
    JOIN pg_class c ON c.oid = i.indexrelid AND c.relname = 'i' WHERE i.indisvalid";

/// Milliseconds of the longest wait for a lock that stands behind a session of the program, right now.
const WAITING: &str = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000), 0)::integer \
    FROM pg_locks l WHERE NOT l.granted AND EXISTS (SELECT FROM unnest(pg_blocking_pids(l.pid)) AS before \
    JOIN pg_stat_activity a ON a.pid = before WHERE a.application_name = 'reconcile' AND a.datname = current_database())";

/// What was seen while an apply ran.
struct Seen {
    standing: BTreeSet<String>,
    polls: u32,
    /// The longest that anybody waited for the apply.
    waited: Duration,
    /// The longest that whoever looks was away from looking.
    lag: Duration,
}

#[test]
fn a_replace_leaves_no_gap_and_holds_nobody_up() {
    let seen = replace(PLAIN, None);
    assert_eq!(seen.standing, BTreeSet::from(["2 with 0 parts".to_owned(), "2 3 with 0 parts".to_owned()]));
}

/// A reader of one partition keeps the old index from being dropped, so that those who write queue behind the drop.
#[test]
fn a_replace_of_a_partitioned_index_leaves_no_gap_and_holds_nobody_up() {
    let seen = replace(PARTITIONED, Some("BEGIN; SELECT count(*) FROM t_mid WHERE a = 42000"));
    assert_eq!(seen.standing, BTreeSet::from(["2 with 3 parts".to_owned(), "2 3 with 3 parts".to_owned()]));
    assert!(seen.waited > Duration::ZERO, "nobody was in the way: the test shows nothing");
}

/// Replaces `i` while writers write and one session reads, until a while after the names were swapped.
fn replace(tables: &str, reader: Option<&str>) -> Seen {
    let (database, project) = (Database::new(newest()), Project::with("tables: { t: { indexes: { i: [a] } } }"));
    project.write("reconcile.yaml", "version: 1\ndefaults: { lock_timeout: 250ms, retries: 8 }\n");
    let site = Site { server: newest().server(), name: &database.name };
    database.sql(tables);
    site.try_apply(&project).expect(0);
    project.write("schema/tables.yaml", "tables: { t: { indexes: { i: [a, b] } } }");
    let (over, swapped) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut visitor = reader.map(|sql| {
        let mut visitor = site.visitor();
        visitor.ask(sql);
        visitor
    });
    // All are there before the apply begins: who connects while it runs may come too late to see it.
    let mut writers: Vec<_> = (0..WRITERS).map(|_| site.visitor()).collect();
    let (mut poller, mut sampler) = (site.visitor(), site.visitor());
    poller.ask(STANDING);
    sampler.ask(WAITING);
    let seen = scope(|scope| {
        let end = EndOf(&over);
        for (number, writer) in (0..).zip(&mut writers) {
            let over = &over;
            scope.spawn(move || write(writer, number, over));
        }
        let standing = scope.spawn(|| poll(&mut poller, &over, &swapped));
        let waits = scope.spawn(|| sample(&mut sampler, &over));
        let reading = scope.spawn(|| {
            while visitor.is_some() && !swapped.load(Relaxed) && !over.load(Relaxed) {
                sleep(POLL);
            }
            sleep(LOCK_TIMEOUT * 3);
            drop(visitor.take());
        });
        let run = site.try_apply(&project);
        drop(end);
        reading.join().unwrap();
        run.expect(0);
        let ((standing, polls), (waited, lag)) = (standing.join().unwrap(), waits.join().unwrap());
        Seen { standing, polls, waited, lag }
    });
    site.expect_settled(&project);
    eprintln!("{} polls; waited {:?}, looked away {:?}", seen.polls, seen.waited, seen.lag);
    assert!(seen.polls > 10, "only {} polls", seen.polls);
    // Whoever does not look for a moment sees a wait later than it ends.
    assert!(seen.waited <= LOCK_TIMEOUT + MARGIN + seen.lag, "waited {:?}, looked away {:?}", seen.waited, seen.lag);
    seen
}

fn write(visitor: &mut Visitor, number: u32, over: &AtomicBool) {
    let mut row = number;
    while !over.load(Relaxed) {
        // Each has rows of its own: who waits here does not wait for another one who writes.
        row = (row + 7 * WRITERS) % 90_000;
        visitor
            .ask(&format!("UPDATE t SET b = b + 1 WHERE a = {row}; INSERT INTO t (a, b) VALUES ({row} + 100000, 1)"));
    }
}

/// What stands under the name, every 10 ms. Tells when that is the new index.
fn poll(visitor: &mut Visitor, over: &AtomicBool, swapped: &AtomicBool) -> (BTreeSet<String>, u32) {
    let (mut standing, mut polls) = (BTreeSet::new(), 0);
    while !over.load(Relaxed) {
        let found = visitor.ask(STANDING);
        swapped.fetch_or(found.starts_with("2 3"), Relaxed);
        standing.insert(found);
        polls += 1;
        sleep(POLL);
    }
    standing.insert(visitor.ask(STANDING));
    (standing, polls)
}

/// The longest wait for the apply, and the longest time between two looks.
fn sample(visitor: &mut Visitor, over: &AtomicBool) -> (Duration, Duration) {
    let (mut waited, mut lag) = (Duration::ZERO, Duration::ZERO);
    let mut last = Instant::now();
    while !over.load(Relaxed) {
        let now = visitor.ask(WAITING).parse().unwrap();
        waited = waited.max(Duration::from_millis(now));
        lag = lag.max(last.elapsed());
        last = Instant::now();
        sleep(POLL);
    }
    (waited, lag)
}
