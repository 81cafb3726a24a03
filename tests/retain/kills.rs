//! Runs of an archive that are killed at any moment, while others write: each row is in exactly one place, as its last
//! writer left it, and nothing that is young has gone.

use std::env;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use super::{Place, Rule};
use crate::common::newest;

const ROWS: u32 = 20_000;

fn before() -> String {
    format!(
        "CREATE TABLE item (id int PRIMARY KEY, at timestamptz, n int DEFAULT 0, filler text DEFAULT repeat('x', 60)) WITH (fillfactor = 60);
         CREATE TABLE item_archive (filler text, n int, at timestamptz, id int PRIMARY KEY);
         INSERT INTO item (id, at) SELECT n, now() - (n % 60) * interval '1 day' - interval '1 hour' FROM generate_series(1, {ROWS}) n;
         CREATE TABLE written (id int, kind text); ANALYZE item;"
    )
}

/// What a client does at a time: a change of any row, a row made young again, a new row; each noted with its effect.
const WRITES: [&str; 3] = [
    "WITH done AS (UPDATE item SET n = n + 1 WHERE id = 1 + (random() * 19999)::int RETURNING id) INSERT INTO written SELECT id, 'n' FROM done",
    "WITH done AS (UPDATE item SET at = now() WHERE id = 1 + (random() * 19999)::int RETURNING id) INSERT INTO written SELECT id, 'young' FROM done",
    "WITH done AS (INSERT INTO item (id, at) SELECT 100000 + count(*), now() FROM written RETURNING id) INSERT INTO written SELECT id, 'new' FROM done",
];

#[test]
fn a_killed_archive_run_loses_nothing_while_others_write() {
    let rounds = env::var("FAULT_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let place = Place::new(newest(), &before());
    let rule = Rule::new("public.item", "at", "30 days").with("action", json!({ "archive": "public.item_archive" }));
    place.rule(&rule.clone().batch("rows", json!(100)).batch("sleep_ms", json!(3)));
    let over = AtomicBool::new(false);
    scope(|scope| {
        let (database, over) = (&place.database, &over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                // Many in one connection; a new row's number may be taken by another of these.
                drop(database.try_sql(&format!("{};", WRITES.join(";\n")).repeat(20)));
            }
        });
        for _ in 0..rounds {
            let mut command = place.project.command(&["retain"]);
            command.env("DATABASE_URL", place.database.url()).stdin(Stdio::null());
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(Duration::from_millis(60 + fastrand(300)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    place.rule(&rule);
    place.retain(&[]).expect(0);
    let all = "(SELECT id, at, n, filler FROM item UNION ALL SELECT id, at, n, filler FROM item_archive) a";
    let distinct = format!(
        "SELECT count(*) = count(DISTINCT id), count(*) = {ROWS} + (SELECT count(*) FROM written WHERE kind = 'new') FROM {all}"
    );
    assert_eq!(place.database.sql(&distinct), "t|t");
    let changed = format!(
        "SELECT count(*) FROM {all} LEFT JOIN (SELECT id, count(*) FILTER (WHERE kind = 'n') AS n FROM written GROUP BY id) w \
         USING (id) WHERE a.n <> coalesce(w.n, 0)"
    );
    assert_eq!(place.database.sql(&changed), "0", "rows as nobody left them");
    assert_eq!(place.count("item_archive WHERE at >= now() - interval '30 days'"), 0, "young rows have gone");
    assert_eq!(place.count("item_archive JOIN written USING (id) WHERE kind IN ('young', 'new')"), 0);
    assert_eq!(place.count("item WHERE at < now() - interval '30 days'"), 0, "old rows have stayed");
    let counted = "SELECT sum(rows_affected) = (SELECT count(*) FROM item_archive) FROM reconcile.retention_run WHERE action LIKE 'ARCHIVE%'";
    assert_eq!(place.database.sql(counted), "t", "the records tell another number");
    assert!(
        place.count("reconcile.retention_run WHERE outcome = 'stopped'") > 0,
        "no run was at work when it was killed"
    );
}

/// Below `most`, by chance.
fn fastrand(most: u64) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(()) % most
}
