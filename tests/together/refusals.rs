//! What cannot come along is named, and nothing is touched.

use super::{Place, daily};
use crate::common::newest;

#[test]
fn nothing_is_touched_where_something_cannot_come_along() {
    let place = Place::new(newest(), &daily(""));
    for (dependent, changed, words) in [
        (
            "CREATE FUNCTION team.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM team.daily; END",
            daily(", count(*) AS new"),
            "function team.f() depends on it",
        ),
        (
            "CREATE VIEW team.v AS SELECT note FROM team.daily",
            daily("").replace(", max(note) AS note", ""),
            "`team.daily` would lose the column `note`, which view team.v needs",
        ),
        (
            "CREATE VIEW team.v AS SELECT * FROM team.daily",
            daily("").replace("sum(price)", "sum(price)::integer"),
            "column `total` would be of type integer and not of type numeric",
        ),
        (
            "CREATE MATERIALIZED VIEW team.v AS SELECT sum(total) || note AS x FROM team.daily GROUP BY note",
            daily("").replace("max(note)", "count(note)::int"),
            "materialized view team.v depends on it and is not possible any more",
        ),
        (
            "CREATE TABLE target (n bigint); CREATE RULE r AS ON INSERT TO target DO ALSO SELECT total FROM team.daily",
            daily(", count(*) AS new"),
            "rule r on table public.target depends on it",
        ),
    ] {
        place.database.sql(dependent);
        let before = (place.relations(&["none"]), place.database.traces());
        place.declare(&changed);
        for args in [&["plan"][..], &["apply", "--auto-approve", "--allow", "all"]] {
            place.run(args).expect_said(4, words);
            assert_eq!(before, (place.relations(&["none"]), place.database.traces()), "{dependent}");
        }
        place.database.sql("DROP FUNCTION IF EXISTS team.f; DROP TABLE IF EXISTS target");
        place.database.sql(
            "DO $$ BEGIN EXECUTE 'DROP VIEW IF EXISTS team.v'; EXCEPTION WHEN wrong_object_type THEN \
            EXECUTE 'DROP MATERIALIZED VIEW team.v'; END $$",
        );
    }
}

#[test]
fn another_owners_view_needs_a_role_that_may_act_for_him() {
    let place = Place::new(newest(), "tables: { sale: { indexes: { sale_i: [day] } } }");
    place.database.sql("CREATE ROLE view_deployer LOGIN; GRANT team TO view_deployer");
    place.database.sql(&format!("GRANT CREATE ON DATABASE {} TO view_deployer", place.database.name));
    place.database.sql("CREATE ROLE view_reader LOGIN; GRANT USAGE ON SCHEMA team TO view_reader");
    place.database.sql("ALTER TABLE sale OWNER TO team; DROP SCHEMA reconcile CASCADE");
    place.declare(&daily(""));
    let url = place.database.url_as("view_deployer");
    place.project.run_at(&url, &["apply", "--auto-approve", "--allow", "all"]).expect(0);
    place.database.sql(
        "ALTER MATERIALIZED VIEW team.daily OWNER TO team; GRANT SELECT ON team.daily TO others;
        SET ROLE others; CREATE VIEW team.theirs AS SELECT total FROM team.daily",
    );
    place.declare(&daily(", count(*) AS new"));
    let before = (place.relations(&["none"]), place.database.traces());
    let words = "view team.theirs depends on it and belongs to others, whom this role cannot act for";
    place.project.run_at(&url, &["plan"]).expect_said(4, words);
    place.project.run_at(&url, &["apply", "--auto-approve", "--allow", "all"]).expect_said(4, words);
    assert_eq!(before, (place.relations(&["none"]), place.database.traces()));
    // Who only reads the plan of somebody else's apply is not asked.
    place.project.run_at(&place.database.url_as("view_reader"), &["plan", "--detailed-exitcode"]).expect(2);
    place.database.sql("GRANT others TO view_deployer");
    place.project.run_at(&url, &["apply", "--auto-approve", "--allow", "all"]).expect(0);
    assert_eq!(place.database.sql("SET ROLE others; SELECT count(*) FROM team.theirs"), "30");
    place.database.sql("REASSIGN OWNED BY view_deployer TO postgres; DROP OWNED BY view_deployer, view_reader");
}
