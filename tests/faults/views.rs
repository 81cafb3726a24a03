//! While a materialized view is replaced, whoever reads it, or what depends on it, finds rows and indexes at every moment; and
//! an apply that is killed leaves nothing that the next one does not take away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::Duration;

use super::{
    interruptions::{rounds, start},
    scenario::moments,
    site::Site,
    visitor::EndOf,
};
use crate::common::{Database, Project, newest, versions};

const POLL: Duration = Duration::from_millis(10);

const TABLE: &str = "CREATE TABLE t (id serial PRIMARY KEY, a integer); \
    INSERT INTO t (a) SELECT n % 1000 FROM generate_series(1, 300000) n";

const BEFORE: &str = "materialized_views: { v: { query: SELECT a FROM t GROUP BY a, \
    indexes: { v_key: { columns: [a], unique: true } } } }";

const AFTER: &str = "materialized_views: { v: { query: \"SELECT a, count(*) AS n FROM t GROUP BY a\", \
    indexes: { v_key: { columns: [a], unique: true } } } }";

/// What others have made over it: a materialized view, and a view over both.
const OTHERS: &str = "CREATE MATERIALIZED VIEW w AS SELECT a % 10 AS b, count(a) AS c FROM v GROUP BY 1; \
    CREATE UNIQUE INDEX w_key ON w (b); CREATE VIEW x AS SELECT a, b FROM v JOIN w ON a % 10 = b";

/// Rows, and the indexes that whoever plans a query on them now finds.
const SEEN: &str = "SELECT (SELECT count(*) FROM v) || ', ' || (SELECT count(*) FROM w) || ', ' || (SELECT count(*) FROM x) \
    || ' rows, ' || (SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index i \
    JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid IN ('v'::regclass, 'w'::regclass) AND i.indisvalid)";

/// A reader by one snapshot that is older than the new view, and one that begins anew each time.
#[test]
fn a_replaced_view_is_never_missing_or_empty() {
    for version in [&versions()[0], newest()] {
        let (database, project) = (Database::new(version), Project::with(BEFORE));
        let site = Site { server: version.server(), name: &database.name };
        database.sql(TABLE);
        site.try_apply(&project).expect(0);
        database.sql(OTHERS);
        project.write("schema/tables.yaml", AFTER);
        let over = AtomicBool::new(false);
        let (mut poller, mut old) = (site.visitor(), site.visitor());
        // A snapshot, and no lock on the view, which the swap would wait for.
        old.ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t WHERE id = 1");
        let (seen, polls) = scope(|scope| {
            let end = EndOf(&over);
            let polling = scope.spawn(|| {
                let (mut seen, mut polls) = (BTreeSet::new(), 0);
                while !over.load(Relaxed) {
                    seen.insert(poller.ask(SEEN));
                    polls += 1;
                    sleep(POLL);
                }
                (seen, polls)
            });
            let run = site.try_apply(&project);
            drop(end);
            let found = polling.join().unwrap();
            run.expect(0);
            found
        });
        assert_eq!(seen, BTreeSet::from(["1000, 10, 1000 rows, v_key w_key".to_owned()]), "on {}", version.major());
        assert!(polls > 5, "only {polls} polls");
        assert_eq!(old.ask("SELECT count(*) FROM v"), "1000", "on {}", version.major());
        drop(old);
        site.expect_settled(&project);
    }
}

/// Each round replaces what the one before has made; the moments are spread over as long as that takes.
#[test]
fn a_killed_replace_of_a_view_leaves_nothing() {
    let version = newest();
    let (database, project) = (Database::new(version), Project::with(BEFORE));
    let site = Site { server: version.server(), name: &database.name };
    database.sql(TABLE);
    site.try_apply(&project).expect(0);
    database.sql(OTHERS);
    project.write("schema/tables.yaml", AFTER);
    let takes = site.try_apply(&project).expect(0).took;
    let mut killed = 0;
    for (round, moment) in moments(rounds(8), takes).enumerate() {
        project.write("schema/tables.yaml", if round % 2 == 0 { BEFORE } else { AFTER });
        let mut command = project.command(&["apply", "--auto-approve", "--allow", "all"]);
        let mut client = start(command.env("DATABASE_URL", site.url()));
        sleep(moment);
        killed += u32::from(client.try_wait().unwrap().is_none());
        client.kill().unwrap();
        client.wait().unwrap();
        site.wait_for_orphans();
        assert_eq!(database.sql(SEEN), "1000, 10, 1000 rows, v_key w_key", "killed after {moment:?}");
        site.try_apply(&project).expect(0);
        site.expect_settled(&project);
    }
    assert!(killed > 0, "every apply was over before it could be killed");
}
