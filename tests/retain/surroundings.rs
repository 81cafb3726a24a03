//! What stands around a run: poolers, replicas, connections that break.

use std::process::Stdio;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use reconcile_scratch::{Options, PoolMode, Pooler, ScratchError, Server};
use serde_json::json;

use super::{Place, Rule};
use crate::common::{Project, newest};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
    INSERT INTO t SELECT n, now() - interval '99 days' FROM generate_series(1, 2000) n;";

fn rule() -> Rule {
    Rule::new("public.t", "at", "30 days").batch("rows", json!(100))
}

#[test]
fn a_pooler_of_transactions_and_a_read_only_database_are_refused() {
    let place = Place::new(newest(), T);
    place.rule(&rule());
    match Pooler::start(newest().server(), PoolMode::Transaction, 2) {
        Ok(pooler) => {
            let url = pooler.url(&place.database.name);
            place.project.run_at(&url, &["retain"]).expect_said(3, "a transaction pooler stands between");
            let run = place.project.run_at(&url, &["retain", "--dry-run"]).expect(0);
            assert!(run.stdout.contains("2,000"), "{run}");
        }
        Err(error @ ScratchError::NoProgram { .. }) => eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    }
    place.database.sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", place.database.name));
    place.project.run(&place.database, &["retain"]).expect_said(3, "read-only");
    assert_eq!((place.count("t"), place.count("reconcile.retention_run")), (2000, 0));
}

#[test]
fn a_run_whose_connection_breaks_can_go_on() {
    let place = Place::new(newest(), T);
    place.rule(&rule().batch("rows", json!(10)).batch("sleep_ms", json!(20)));
    let run = scope(|scope| {
        let run = scope.spawn(|| place.retain(&[]));
        while place.count("t") == 2000 {
            sleep(Duration::from_millis(5));
        }
        place.database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reconcile' \
             AND datname = current_database()",
        );
        run.join().unwrap()
    });
    let run = run.expect(5);
    assert!(run.stdout.contains("\"outcome\":\"stopped\""), "{run}");
    place.rule(&rule());
    place.retain(&[]).expect(0);
    let sum = "SELECT sum(rows_affected), string_agg(outcome, ' ' ORDER BY id) FROM reconcile.retention_run";
    assert_eq!(place.database.sql(sum), "2000|stopped done");
}

#[test]
fn a_run_waits_for_replicas() {
    if !newest().installation().has("pg_basebackup") {
        eprintln!("skipped: no pg_basebackup on this machine, so there is no standby");
        return;
    }
    let primary = Server::start(newest().installation(), Options::default()).unwrap();
    let (url, project) =
        (primary.create_database("shop").unwrap(), Project::with("tables: { t: { indexes: { i: [at] } } }\n"));
    primary.psql("shop", T).unwrap();
    project.run_at(&url, &["apply", "--auto-approve"]).expect(0);
    primary
        .psql(
            "shop",
            &rule()
                .batch("max_lag_ms", json!(300))
                .batch("rows", json!(20))
                .batch("sleep_ms", json!(10))
                .registration(),
        )
        .unwrap();
    let standby = primary.standby().unwrap();
    project.run_at(&standby.url("shop"), &["retain"]).expect_said(3, "read-only");
    let end = Instant::now() + Duration::from_secs(20);
    while primary.psql("shop", "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL").unwrap() != "1"
    {
        assert!(Instant::now() < end, "the standby does not come");
        sleep(Duration::from_millis(20));
    }
    standby.psql("shop", "SELECT pg_wal_replay_pause()").unwrap();
    let mut command = project.command(&["retain"]);
    command.env("DATABASE_URL", &url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // All of it takes a second, if nobody has to be waited for.
    sleep(Duration::from_secs(3));
    let left: u32 = primary.psql("shop", "SELECT count(*) FROM t").unwrap().parse().unwrap();
    assert!(left > 0 && left < 2000, "{left} rows are left");
    standby.psql("shop", "SELECT pg_wal_replay_resume()").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(primary.psql("shop", "SELECT count(*) FROM t").unwrap(), "0");
}

#[test]
fn a_registry_of_the_first_layout_gets_the_records_and_destroy_takes_them_away() {
    let place = Place::new(newest(), T);
    place.database.sql(
        "DROP TABLE reconcile.layout, reconcile.retention_run, reconcile.archive_file, reconcile.refresh_run;
         ALTER TABLE reconcile.run DROP command, DROP reverts, DROP operator;
         ALTER TABLE reconcile.resource DROP object, DROP basis",
    );
    place.rule(&rule());
    let run = place.retain(&[]).expect(1);
    assert!(run.stdout.contains("reconcile apply` once"), "{run}");
    place.project.write("schema/tables.yaml", "tables: { anchor: { indexes: { other: [a] } } }\n");
    place.database.sql("DELETE FROM reconcile.resource WHERE address LIKE 'retention/%'");
    place.project.apply(&place.database);
    place.rule(&rule());
    place.retain(&[]).expect(0);
    assert_eq!(place.records(), "public.t|DELETE (>30 days)|2000|done");
    place.database.sql("DELETE FROM reconcile.resource WHERE address LIKE 'retention/%'");
    place.project.run(&place.database, &["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert_eq!(place.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
}
