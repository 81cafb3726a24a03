//! Runs of an archive that are broken off at any moment, by the death of the client or of the server, while others
//! write: each row is in exactly one place, as its last writer left it, and nothing that is young has gone.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use reconcile_scratch::{Options, Server};
use serde_json::json;

use super::Rule;
use crate::common::{Project, newest};

const NAME: &str = "shop";

/// Far more than the server takes to come back after a crash.
const PATIENCE: Duration = Duration::from_mins(1);

fn before(rows: u32) -> String {
    format!(
        "CREATE TABLE item (id int PRIMARY KEY, at timestamptz, n int DEFAULT 0, filler text DEFAULT repeat('x', 60))
         WITH (fillfactor = 60);
         CREATE TABLE item_archive (filler text, n int, at timestamptz, id int PRIMARY KEY);
         INSERT INTO item (id, at) SELECT n, now() - (n % 60) * interval '1 day' - interval '1 hour'
         FROM generate_series(1, {rows}) n; CREATE TABLE written (id int, kind text); ANALYZE item;"
    )
}

/// What a client does at a time: a change of any row, a row made young again, a new row; each noted with its effect.
fn writes(rows: u32) -> String {
    let any = format!("id = 1 + (random() * {})::int", rows - 1);
    let writes = [
        format!("UPDATE item SET n = n + 1 WHERE {any} RETURNING id, 'n'"),
        format!("UPDATE item SET at = now() WHERE {any} RETURNING id, 'young'"),
        "INSERT INTO item (id, at) SELECT 10000000 + count(*), now() FROM written RETURNING id, 'new'".to_owned(),
    ];
    writes.map(|write| format!("WITH done AS ({write}) INSERT INTO written SELECT * FROM done;\n")).concat()
}

/// A server, and a rule in it that takes some time.
pub(super) struct Shop {
    pub(super) server: Server,
    pub(super) project: Project,
}

impl Shop {
    pub(super) fn new(rows: u32) -> Self {
        let server = Server::start(newest().installation(), Options::default()).unwrap();
        let project = Project::with("tables: { item: { indexes: { by_age: [at] } } }\n");
        server.create_database(NAME).unwrap();
        server.psql(NAME, &before(rows)).unwrap();
        let shop = Self { server, project };
        shop.project.run_at(&shop.url(), &["apply", "--auto-approve"]).expect(0);
        shop
    }

    pub(super) fn url(&self) -> String {
        self.server.url(NAME)
    }

    /// Asks again where the server is about to notice that it has crashed, or recovers from that.
    pub(super) fn sql(&self, sql: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.server.psql(NAME, sql) {
                Ok(rows) => return rows,
                Err(error) => assert!(Instant::now() < end, "{error}\nin {sql}"),
            }
            sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn count(&self, table: &str) -> u64 {
        self.sql(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
    }

    pub(super) fn run(&self) -> Child {
        let mut command = self.project.command(&["retain"]);
        command.env("DATABASE_URL", self.url()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Kills the backend of the run: the server breaks off everything, and recovers from its log, in its time.
    pub(super) fn crash(&self) {
        let backend = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconcile' LIMIT 1";
        let pid = self.sql(backend);
        if !pid.is_empty() {
            // It may have ended by itself just now.
            drop(Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status());
            // Until the server has noticed.
            sleep(Duration::from_millis(200));
        }
    }

    /// What has to be so in the end.
    fn expect_whole(&self, rows: u32) {
        let all = "(SELECT id, at, n, filler FROM item UNION ALL SELECT id, at, n, filler FROM item_archive) a";
        let distinct = format!(
            "SELECT count(*) = count(DISTINCT id), count(*) = {rows} + (SELECT count(*) FROM written WHERE kind = 'new') \
             FROM {all}"
        );
        assert_eq!(self.sql(&distinct), "t|t", "a row is lost, or in two places");
        let changed = format!(
            "{all} LEFT JOIN (SELECT id, count(*) FILTER (WHERE kind = 'n') AS n FROM written GROUP BY id) w USING (id) \
             WHERE a.n <> coalesce(w.n, 0)"
        );
        assert_eq!(self.count(&changed), 0, "rows as nobody left them");
        let young = "item_archive JOIN written USING (id) WHERE kind IN ('young', 'new')";
        assert_eq!(self.count(young), 0, "young rows have gone");
        assert_eq!(self.count("item_archive WHERE at >= now() - interval '30 days'"), 0, "young rows have gone");
        assert_eq!(self.count("item WHERE at < now() - interval '30 days'"), 0, "old rows have stayed");
        let counted = "SELECT sum(rows_affected) - (SELECT count(*) FROM item_archive) FROM reconcile.retention_run";
        assert_eq!(self.sql(counted), "0", "the records tell another number");
    }
}

#[test]
fn an_archive_run_that_is_broken_off_loses_nothing_while_others_write() {
    let rounds = rounds();
    let rows = 20_000.max(rounds * 2_000);
    let shop = Shop::new(rows);
    let rule = Rule::new("public.item", "at", "30 days").with("action", json!({ "archive": "public.item_archive" }));
    shop.sql(&rule.clone().batch("rows", json!(50)).batch("sleep_ms", json!(4)).registration());
    let over = AtomicBool::new(false);
    scope(|scope| {
        let (shop, over) = (&shop, &over);
        scope.spawn(move || {
            let writes = writes(rows).repeat(20);
            while !over.load(Ordering::Relaxed) {
                // Up to the first error: the server may be away, or a new row's number taken.
                drop(shop.server.psql(NAME, &writes));
            }
        });
        for round in 0..rounds {
            let mut run = shop.run();
            sleep(Duration::from_millis(60 + chance(250)));
            // Every fourth time it is the server that dies.
            if round % 4 == 3 {
                shop.crash();
            } else {
                run.kill().unwrap();
            }
            run.wait().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let stopped = shop.count("reconcile.retention_run WHERE outcome IN ('stopped', 'running') AND rows_affected > 0");
    eprintln!("{rounds} rounds, {stopped} of them at work when they were broken off");
    assert!(stopped > 0, "no run was at work when it was broken off");
    shop.sql(&rule.registration());
    shop.project.run_at(&shop.url(), &["retain"]).expect(0);
    shop.expect_whole(rows);
    shop.project.run_at(&shop.url(), &["retain"]).expect(0);
    assert_eq!(shop.count("reconcile.retention_run WHERE outcome = 'running'"), 0);
}

/// How often a run is broken off.
pub(super) fn rounds() -> u32 {
    env::var("FAULT_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap())
}

/// Below `most`, by chance.
pub(super) fn chance(most: u64) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(()) % most
}
