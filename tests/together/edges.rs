//! What is easily confused: names that mean one thing where a view was printed and another where it is made, and changes
//! that would be lost in a replacement.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::Place;
use crate::common::{newest, versions};

fn views(views: &[(&str, &str)]) -> String {
    let all = views.iter().map(|(name, rest)| format!("  {name}: {{ {rest} }}\n"));
    format!("materialized_views:\n{}", all.collect::<String>())
}

fn daily(new: &str) -> (&'static str, String) {
    ("team.daily", format!("query: \"SELECT platform, sum(price) AS total{new} FROM sale GROUP BY platform\""))
}

/// The project's path has a function that would be taken for one of the system's.
#[test]
fn what_is_printed_is_looked_up_where_it_was_printed() {
    for version in [&versions()[0], newest()] {
        let (name, before) = daily("");
        let place = Place::new(version, &views(&[(name, &before)]));
        place.database.sql(
            "CREATE VIEW v AS SELECT concat(platform, '!') AS x FROM team.daily;
             CREATE MATERIALIZED VIEW w AS SELECT concat(platform, '!') AS x FROM team.daily;
             CREATE FUNCTION concat(varchar, text) RETURNS text LANGUAGE sql AS $$ SELECT 'another one' $$",
        );
        let (name, after) = daily(", count(*) AS n");
        place.declare(&views(&[(name, &after)]));
        place.project.apply(&place.database);
        assert_eq!(place.database.sql("SELECT min(x) FROM v UNION ALL SELECT min(x) FROM w"), "p0!\np0!");
        place.project.expect_no_changes(&place.database);
    }
}

/// It stands before the other one by its name, and its change would be made of the view that goes.
#[test]
fn what_is_changed_of_one_that_is_taken_along_is_changed_of_the_new_one() {
    let (name, before) = daily("");
    let along =
        |comment: &str| format!("query: SELECT total FROM team.daily, comment: {comment}, with: {{ fillfactor: 50 }}");
    let place = Place::new(newest(), &views(&[("public.a", &along("one")), (name, &before)]));
    let (name, after) = daily(", count(*) AS n");
    place.declare(&views(&[("public.a", &along("two")), (name, &after)]));
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
    assert_eq!(
        place.database.sql("SELECT obj_description('a'::regclass), reloptions FROM pg_class WHERE relname = 'a'"),
        "two|{fillfactor=50}"
    );
}

/// One that is left out of a plan is made anew as it is, with the indexes that it has.
#[test]
fn one_that_is_left_out_of_the_plan_stays_as_it_is() {
    let (name, before) = daily("");
    let place = Place::new(
        newest(),
        &views(&[(name, &before), ("m2", "query: SELECT platform FROM team.daily, indexes: { m2_p: [platform] }")]),
    );
    let (name, after) = daily(", count(*) AS n");
    let other = "query: \"SELECT platform, total FROM team.daily\", indexes: { m2_t: [total] }";
    place.declare(&views(&[(name, &after), ("m2", other)]));
    place.run(&["apply", "--auto-approve", "--allow", "all", "--only", "matview/team.daily"]).expect(0);
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'm2'"), "m2_p");
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
    assert_eq!(place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'm2'"), "m2_t");
}

/// A part that WITH names is not the view of that name.
#[test]
fn a_part_of_a_query_is_no_other_view() {
    let place = Place::new(
        newest(),
        &views(&[("daily", "query: SELECT day FROM sale"), ("report", "query: SELECT day FROM daily")]),
    );
    let with = "query: \"WITH report AS (SELECT * FROM sale) SELECT day, price FROM report\"";
    place.declare(&views(&[("daily", with), ("report", "query: SELECT day FROM daily")]));
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
}

#[test]
fn what_holds_on_to_a_view_by_other_means_is_named() {
    let (name, before) = daily(", max(day) AS last");
    for (sql, new, words) in [
        (
            "CREATE VIEW v AS SELECT 'team.daily'::regclass AS x",
            ", max(day) AS last, 1 AS n",
            "view public.v depends on team.daily itself",
        ),
        (
            "CREATE MATERIALIZED VIEW twin AS SELECT total FROM team.daily; \
             CREATE MATERIALIZED VIEW team.twin AS SELECT total FROM team.daily",
            ", max(day) AS last, 1 AS n",
            "two views called `twin` would have to be made anew together",
        ),
        (
            "CREATE INDEX strange ON team.daily (last)",
            "",
            "would lose the column `last`, which its index `strange` needs",
        ),
    ] {
        let place = Place::new(newest(), &views(&[(name, &before)]));
        place.database.sql(sql);
        let state = (place.relations(&["none"]), place.database.traces());
        let (name, after) = daily(new);
        place.declare(&views(&[(name, &after)]));
        place.run(&["plan"]).expect_said(4, words);
        place.run(&["apply", "--auto-approve", "--allow", "all"]).expect_said(4, words);
        assert_eq!(state, (place.relations(&["none"]), place.database.traces()));
    }
}

/// All that a run left is taken away before any of it is built again, whichever it was built for.
#[test]
fn what_a_blocked_replacement_left_is_taken_away_first() {
    let all = |new: &str| {
        let (c, d) = (
            format!("query: \"SELECT platform{new} FROM sale\""),
            format!("query: \"SELECT platform, day{new} FROM sale\""),
        );
        views(&[("c", &c), ("d", &d), ("f", "query: SELECT c.platform FROM c JOIN d USING (platform) LIMIT 5")])
    };
    let place = Place::new(newest(), &all(""));
    place.database.sql("CREATE MATERIALIZED VIEW g AS SELECT platform FROM d LIMIT 5");
    place.declare(&all(", 7 AS n"));
    place.project.write("reconcile.yaml", "version: 1\ndefaults: { retries: 0, lock_timeout: 100ms }\n");
    let program = place.database.version.server().installation().program("psql").unwrap();
    let reads = "BEGIN; SELECT 1 FROM f LIMIT 1; SELECT pg_sleep(60)";
    let mut reader =
        Command::new(program).args(["-X", "-q", "-d", &place.database.url(), "-c", reads]).spawn().unwrap();
    let held = "SELECT count(*) > 0 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'f' AND l.pid <> pg_backend_pid()";
    while place.database.sql(held) != "t" {
        sleep(Duration::from_millis(20));
    }
    place.run(&["apply", "--auto-approve", "--allow", "all"]).expect(5);
    let left = "SELECT count(*) FROM pg_matviews WHERE matviewname LIKE 'reconcile%'";
    assert_eq!(place.database.sql(left), "4");
    place
        .database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; SELECT 1 FROM f%'");
    reader.wait().unwrap();
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
    assert_eq!(place.database.sql(left), "0");
}

/// A plain view stands between: it reads the new rows from the moment on at which all take their places, not before.
#[test]
fn what_reads_through_a_plain_view_is_said_to_be_of_before() {
    let (name, before) = daily("");
    let place = Place::new(newest(), &views(&[(name, &before)]));
    place.database.sql("CREATE VIEW v AS SELECT platform, total FROM team.daily");
    let over = ("over", "query: \"SELECT v.total AS then, d.total AS now FROM v JOIN team.daily d USING (platform)\"");
    place.declare(&views(&[(name, &before), over]));
    place.project.apply(&place.database);
    let after = before.replace("sum(price)", "sum(price) * 1000");
    place.declare(&views(&[(name, &after), over]));
    let plan = place.run(&["plan"]).expect(0);
    assert!(
        plan.stdout.contains("note: matview/public.over: what it reads through public.v is of before this change"),
        "{plan}"
    );
    place.project.apply(&place.database);
    assert_eq!(place.database.sql("SELECT bool_or(\"then\" = now) FROM over"), "f");
    place.run(&["refresh"]).expect(0);
    assert_eq!(place.database.sql("SELECT bool_and(\"then\" = now) FROM over"), "t");
    place.project.expect_no_changes(&place.database);
}

#[test]
fn a_view_does_not_read_itself_through_another_one() {
    let place = Place::new(newest(), &views(&[("daily", "query: SELECT day FROM sale")]));
    place.database.sql("CREATE VIEW v AS SELECT day FROM daily");
    place.declare(&views(&[("daily", "query: SELECT day FROM v UNION ALL SELECT day FROM sale")]));
    place.run(&["plan"]).expect_said(1, "it would read itself: `public.v` in its query reads `public.daily`");
}

/// Who read now is read, and the other way round.
#[test]
fn views_change_sides() {
    let place =
        Place::new(newest(), &views(&[("one", "query: SELECT day FROM sale"), ("two", "query: SELECT day FROM one")]));
    let turned = views(&[("one", "query: SELECT day FROM two"), ("two", "query: \"SELECT day, price FROM sale\"")]);
    place.declare(&turned);
    place.project.apply(&place.database);
    place.project.expect_no_changes(&place.database);
    assert_eq!(place.database.sql("SELECT count(*) FROM one"), "300");
}
