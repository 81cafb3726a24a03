//! A refresh of a chain of views that breaks off at any moment, by the death of its client or of its connection: what was
//! refreshed stays so, the next run goes through all of it, and nothing is left behind.

use std::thread::sleep;

use super::{
    interruptions::{rounds, start},
    scenario::moments,
    site::Site,
};
use crate::common::{Database, Project, newest};

const TABLE: &str = "CREATE TABLE t (id serial PRIMARY KEY, a integer); \
    INSERT INTO t (a) SELECT n % 5000 FROM generate_series(1, 200000) n";

const CHAIN: &str = "
materialized_views:
  first:
    query: SELECT a, count(*) AS n FROM t GROUP BY a
    indexes: { first_key: { columns: [a], unique: true } }
    refresh: { concurrently: true }
  second: { query: \"SELECT a % 100 AS b, sum(n) AS n FROM first GROUP BY 1\" }
  third:
    query: SELECT sum(n) AS n FROM second
    indexes: { third_key: { columns: [n], unique: true } }
    refresh: { concurrently: true }
";

/// Each of them by what it reads: its rows are those of one moment, whichever.
const WHOLE: &str = "SELECT (SELECT count(*) FROM first), (SELECT count(*) FROM second), (SELECT count(*) FROM third), \
    (SELECT sum(n) FROM second) >= (SELECT n FROM third)";

const LEFT: &str = "SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't' OR relname LIKE 'pg\\_temp\\_%'), \
    (SELECT count(*) FROM pg_class WHERE relkind IN ('m', 'v', 'r', 'i'))";

#[test]
fn a_refresh_that_breaks_off_is_made_up_for_by_the_next() {
    let version = newest();
    let (database, project) = (Database::new(version), Project::with(CHAIN));
    let site = Site { server: version.server(), name: &database.name };
    database.sql(TABLE);
    site.try_apply(&project).expect(0);
    let refresh = || project.run_at(&site.url(), &["refresh"]);
    let takes = refresh().expect(0).took;
    let left = database.sql(LEFT);
    let (mut rows, mut broken) = (200_000, 0);
    for (round, moment) in moments(rounds(8), takes).enumerate() {
        database.sql("INSERT INTO t (a) SELECT n FROM generate_series(1, 100) n");
        rows += 100;
        let mut command = project.command(&["refresh"]);
        let mut client = start(command.env("DATABASE_URL", site.url()));
        sleep(moment);
        broken += u32::from(client.try_wait().unwrap().is_none());
        if round % 2 == 0 {
            client.kill().unwrap();
        } else {
            database.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reconcile' \
                 AND datname = current_database()",
            );
        }
        client.wait().unwrap();
        site.wait_for_orphans();
        assert_eq!(database.sql(WHOLE), "5000|100|1|t", "broken off after {moment:?}");
        refresh().expect(0);
        assert_eq!(database.sql("SELECT n FROM third"), rows.to_string(), "broken off after {moment:?}");
        assert_eq!(database.sql("SELECT count(*) FROM reconcile.refresh_run WHERE outcome = 'running'"), "0");
        assert_eq!(database.sql(LEFT), left, "broken off after {moment:?}");
    }
    assert!(broken > 0, "every refresh was over before it could break off");
    site.expect_settled(&project);
}
