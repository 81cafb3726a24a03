//! Runs that meet one another, that are told to end, whose time is over, or that find somebody in their way.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Place, Rule};
use crate::common::{Run, newest};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
    INSERT INTO t SELECT n, now() - interval '99 days' FROM generate_series(1, 2000) n;";

fn slow() -> Rule {
    Rule::new("public.t", "at", "30 days").batch("rows", json!(10)).batch("sleep_ms", json!(50))
}

/// A run that is at work.
fn begun(place: &Place) -> Child {
    let mut command = place.project.command(&["retain", "--json"]);
    command.env("DATABASE_URL", place.database.url()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while place.count("t") == 2000 {
        assert!(Instant::now() < end, "it does not begin");
        sleep(Duration::from_millis(5));
    }
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_second_run_is_skipped_and_a_terminated_one_goes_on_later() {
    let place = Place::new(newest(), T);
    place.rule(&slow());
    let mut first = begun(&place);
    let second = place.retain(&[]).expect(6);
    assert!(second.stdout.contains("another run of this rule is at work: process "), "{second}");
    assert_eq!(place.records(), "public.t|DELETE (>30 days)|0|skipped");
    signal(&first, "-TERM");
    assert_eq!(first.wait().unwrap().code(), Some(5));
    let stopped = place.database.sql("SELECT rows_affected, outcome FROM reconcile.retention_run ORDER BY id LIMIT 1");
    assert_eq!(stopped, format!("{}|stopped", 2000 - place.count("t")));
    assert!(place.count("t") > 0);
    place.rule(&slow().batch("sleep_ms", json!(0)));
    place.retain(&[]).expect(0);
    assert_eq!(place.count("t"), 0);
}

#[test]
fn a_killed_run_leaves_true_counts() {
    let place = Place::new(newest(), T);
    place.rule(&slow());
    let mut first = begun(&place);
    first.kill().unwrap();
    first.wait().unwrap();
    place.rule(&slow().batch("sleep_ms", json!(0)));
    place.retain(&[]).expect(0);
    let sum = "SELECT sum(rows_affected), string_agg(outcome, ' ' ORDER BY id) FROM reconcile.retention_run";
    assert_eq!(place.database.sql(sum), "2000|stopped done");
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let place = Place::new(newest(), T);
    place.rule(&slow().batch("max_runtime_ms", json!(200)));
    let run = place.retain(&[]).expect(5);
    assert!(run.stdout.contains("`max_runtime` of 200 ms is over"), "{run}");
    assert!(place.count("t") < 2000 && place.count("t") > 1000);
}

#[test]
fn a_run_that_ends_early_tells_what_it_leaves_and_whether_that_grows() {
    let place = Place::new(newest(), T);
    let limits = json!({ "max_rows": 1_000_000 });
    place.rule(&slow().batch("max_runtime_ms", json!(200)).with("limits", limits));
    let left = |run: Run| {
        let step: serde_json::Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
        let left = place.count("t");
        let said = step["message"].as_str().unwrap().to_owned();
        let recorded = place.database.sql("SELECT backlog FROM reconcile.retention_run ORDER BY id DESC LIMIT 1");
        assert_eq!(recorded, left.to_string());
        (left, said)
    };
    // Counted, since the rule has limits.
    let (first, said) = left(place.retain(&[]).expect(5));
    assert_eq!(said, format!("`max_runtime` of 200 ms is over; about {first} rows are left"));
    let (second, said) = left(place.retain(&[]).expect(5));
    assert!(
        said.ends_with(&format!("about {second} rows are left, {} fewer than after the run before", first - second))
    );
    place.database.sql("INSERT INTO t SELECT n, now() - interval '99 days' FROM generate_series(5001, 7000) n");
    let (third, said) = left(place.retain(&[]).expect(5));
    let more = third - second;
    assert!(said.ends_with(&format!("{more} more than after the run before: runs do not keep up")), "{said}");
}

#[test]
fn a_batch_is_tried_again_where_somebody_holds_its_rows() {
    let place = Place::new(newest(), T);
    place.rule(&slow().batch("rows", json!(5000)));
    let holder = |seconds: &str| {
        let url = place.database.url();
        let psql = newest().installation().program("psql").unwrap();
        let sql = format!("BEGIN; SELECT FROM t WHERE id = 7 FOR UPDATE; SELECT pg_sleep({seconds}); COMMIT");
        let child = Command::new(psql).args(["-X", "-q", "-c", &sql, "-d", &url]).stdout(Stdio::null()).spawn();
        sleep(Duration::from_millis(200));
        child.unwrap()
    };
    let mut brief = holder("0.5");
    let run: Run = place.retain(&[]).expect(0);
    assert!(brief.wait().unwrap().success());
    assert_eq!(place.count("t"), 0, "{run}");
    place.database.sql(T.split_once(';').unwrap().1);
    let mut long = holder("8");
    let run = place.retain(&[]).expect(5);
    assert!(run.stdout.contains("1 rows were locked by somebody else"), "{run}");
    assert_eq!((place.count("t"), place.records()), (1, "public.t|DELETE (>30 days)|1999|stopped".to_owned()));
    long.kill().unwrap();
    long.wait().unwrap();
}
