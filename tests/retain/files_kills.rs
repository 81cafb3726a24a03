//! Runs of an archive in files that are broken off at any moment, by the death of the client, of its backend or of the
//! server: at each of these moments every row is in the table or in a file, and after the next run in one of them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use reconcile_scratch::StopMode;
use serde_json::json;

use super::{
    Rule,
    files::{hexadecimal, lines, manifest, unpacked},
    kills::{Shop, chance, rounds},
};

const ROWS: &str = "SET TimeZone = 'UTC'; SELECT row_to_json(i) FROM item i";

/// The rows of the table, as JSON.
fn inside(shop: &Shop) -> Vec<String> {
    shop.sql(ROWS).lines().map(str::to_owned).collect()
}

/// The rows that the manifest tells of. Behind them a file may hold what did not commit.
fn told(folder: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for file in manifest(folder) {
        let bytes = fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
        let counted = usize::try_from(file["bytes"].as_u64().unwrap()).unwrap();
        assert_eq!(file["sha256"], hexadecimal(&bytes[..counted]), "{file}");
        let text = unpacked(&bytes[..counted]);
        assert_eq!(file["rows"], text.lines().count(), "{file}");
        rows.extend(text.lines().map(str::to_owned));
    }
    rows
}

#[test]
fn a_run_into_files_that_is_broken_off_has_each_row_somewhere_and_then_in_one_place() {
    let rounds = rounds();
    let rows = 20_000.max(rounds * 1_000);
    let mut shop = Shop::new(rows);
    let folder = shop.project.path().join("archive");
    let rule = Rule::new("public.item", "at", "30 days").with("action", json!({ "archive_files": "archive" }));
    shop.sql(&rule.clone().batch("rows", json!(40)).batch("sleep_ms", json!(2)).registration());
    let mut before = inside(&shop);
    let mut twice = 0;
    for round in 0..rounds {
        let mut run = shop.run();
        sleep(Duration::from_millis(20 + chance(300)));
        match round % 4 {
            3 => {
                shop.server.stop(StopMode::Immediate).unwrap();
                shop.server.start_again().unwrap();
            }
            1 => shop.crash(),
            _ => run.kill().unwrap(),
        }
        run.wait().unwrap();
        let (inside, told) = (inside(&shop), told(&folder));
        twice += inside.len() + told.len() - before.len();
        let somewhere: HashSet<_> = inside.iter().chain(&told).collect();
        let missing = before.iter().filter(|row| !somewhere.contains(row)).count();
        assert_eq!(missing, 0, "rows are nowhere after round {round}");
        assert_eq!(somewhere.len(), before.len(), "rows that nobody wrote after round {round}");
    }
    let stopped = shop.count("reconcile.retention_run WHERE outcome IN ('stopped', 'running') AND rows_affected > 0");
    eprintln!("{rounds} rounds, {stopped} of them at work when they were broken off, {twice} rows seen twice");
    assert!(stopped > 0, "no run was at work when it was broken off");
    shop.sql(&rule.registration());
    shop.project.run_at(&shop.url(), &["retain"]).expect(0);
    let mut after: Vec<_> = inside(&shop).into_iter().chain(lines(&folder)).collect();
    before.sort_unstable();
    after.sort_unstable();
    assert!(before == after, "{} rows, and there were {}", after.len(), before.len());
    assert_eq!(shop.count("item WHERE at < now() - interval '30 days'"), 0);
    assert_eq!(shop.count("reconcile.archive_file WHERE sealed IS NULL"), 0);
    let sum = "SELECT sum(rows_affected) - (SELECT sum(rows) FROM reconcile.archive_file) FROM reconcile.retention_run";
    assert_eq!(shop.sql(sum), "0", "the records tell another number");
}
