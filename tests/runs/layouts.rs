//! Registries that other versions of the program made: former layouts are brought up to date, a newer one is left alone.

use super::place::{Place, of_t};
use crate::common::{newest, versions};

/// Layout 1, as it was before it had a number.
const FIRST: &str = r#"
    CREATE SCHEMA reconcile;
    CREATE TABLE reconcile.run (id bigserial NOT NULL PRIMARY KEY, started_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
      finished_at timestamptz, outcome text NOT NULL, role text NOT NULL DEFAULT current_user, commit text,
      version text NOT NULL, plan jsonb NOT NULL);
    CREATE TABLE reconcile.step (run bigint NOT NULL, position integer NOT NULL, address text NOT NULL,
      statement text NOT NULL, undo text, outcome text NOT NULL, error text,
      started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz, PRIMARY KEY (run, position));
    CREATE TABLE reconcile.resource (address text NOT NULL PRIMARY KEY, relation_schema text NOT NULL,
      relation_name text NOT NULL, declared text NOT NULL, definition text NOT NULL, declaration jsonb NOT NULL,
      run bigint NOT NULL, since timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP);
    GRANT USAGE ON SCHEMA reconcile TO PUBLIC;
    GRANT SELECT ON reconcile.resource TO PUBLIC;
    INSERT INTO reconcile.run (started_at, finished_at, outcome, commit, version, plan) VALUES
      ('2026-01-02 03:04:05Z', '2026-01-02 03:04:07Z', 'done', 'c0ffee', '0.0.9',
       '{"format_version": 1, "summary": {"create": 2}, "changes": [{"address": "index/public.t/i"}]}'),
      ('2026-01-02 04:00:00Z', NULL, 'running', NULL, '0.0.9', '{"summary": {"create": 1}}');
    INSERT INTO reconcile.step (run, position, address, statement, undo, outcome, finished_at) VALUES
      (1, 1, 'index/public.t/i', 'CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)', 'DROP INDEX i', 'done', now()),
      (2, 1, 'index/public.t/x', 'CREATE INDEX CONCURRENTLY x ON public.t USING btree (b)', NULL, 'started', NULL);
    INSERT INTO reconcile.resource (address, relation_schema, relation_name, declared, definition, declaration, run) VALUES
      ('index/public.t/i', 'public', 't', 'sha256:0', 'sha256:0', '{}', 1),
      ('index/public.t/old', 'public', 't', 'sha256:0', 'sha256:0', '{}', 1);
    CREATE INDEX i ON t (a); CREATE INDEX old ON t (b); CREATE INDEX theirs ON t (c);
"#;

fn first() -> Place {
    let place = Place::new(newest());
    place.database.sql(FIRST);
    place
}

#[test]
fn the_first_layout_is_brought_up_to_date() {
    for version in [newest(), &versions()[0]] {
        let place = Place::new(version);
        place.database.sql(FIRST);
        place.apply(&of_t("i: [a], j: [c, a]"));
        // What was managed is managed, and dropped where it is no longer declared; others are left alone.
        assert_eq!(place.managed(), "index/public.t/i\nindex/public.t/j\nindex/public.u/anchor");
        assert_eq!(
            place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1"),
            "i\nj\nt_pkey\ntheirs"
        );
        assert_eq!(place.runs(), "1|apply|done\n2|apply|interrupted\n3|apply|done");
        assert_eq!(place.database.sql("SELECT outcome FROM reconcile.step WHERE run = 2"), "interrupted");
        place.project.expect_no_changes(&place.database);
        let text = place.run(&["history"]).expect(0).stdout;
        assert!(text.contains("1    2026-01-02 03:04:05  2.0 s") && text.contains("c0ffee"), "{text}");
        let text = place.run(&["history", "1"]).expect(0).stdout;
        assert!(text.contains("CREATE INDEX CONCURRENTLY i ON"), "{text}");
        place.rollback(3).expect(0);
        assert_eq!(place.managed(), "index/public.t/i\nindex/public.t/old");
    }
}

#[test]
fn the_first_layout_is_read_as_it_is() {
    let place = first();
    place.declare(&of_t("i: [a], old: [b]"));
    let traces = place.database.traces();
    place.run(&["plan"]).expect(0);
    let text = place.run(&["history"]).expect(0).stdout;
    assert!(text.contains("2026-01-02 03:04:05") && text.contains("interrupted"), "{text}");
    let run = place.run(&["--json", "history"]).expect(0);
    assert_eq!(run.stdout.lines().count(), 2, "{run}");
    assert!(run.stdout.contains(r#""command":"apply""#), "{run}");
    place.run(&["history", "1"]).expect(0);
    assert_eq!(traces, place.database.traces());
}

#[test]
fn a_run_of_the_first_layout_is_not_taken_back() {
    let place = first();
    place.declare(&of_t("i: [a], old: [b]"));
    let before = [place.database.indexes(), place.managed(), place.database.traces()];
    let run = place.rollback(1).expect(1);
    assert!(run.stderr.contains("run 1 was written by another version of reconcile"), "{run}");
    assert_eq!(before, [place.database.indexes(), place.managed(), place.database.traces()]);
}

#[test]
fn the_first_layout_is_left_with_forget_and_destroy() {
    let place = first();
    place.declare("");
    place.run(&["forget", "index/public.t/i"]).expect(0);
    assert_eq!(place.managed(), "index/public.t/old");
    let place = first();
    place.declare("");
    place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
    assert_eq!(place.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
    assert_eq!(
        place.database.sql("SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1"),
        "t_pkey\ntheirs"
    );
}

#[test]
fn an_upgrade_that_is_not_allowed_changes_nothing() {
    let place = first();
    place.declare(&of_t("i: [a], j: [c, a]"));
    let role = format!("builder_{}", place.database.name);
    place
        .database
        .sql(&format!("CREATE ROLE {role} LOGIN; ALTER TABLE t OWNER TO {role}; ALTER TABLE u OWNER TO {role}"));
    let traces = place.database.traces();
    let run =
        place.project.run_at(&place.database.url_as(&role), &["apply", "--auto-approve", "--allow", "all"]).expect(1);
    assert!(run.stderr.contains("hint: "), "{run}");
    assert_eq!(traces, place.database.traces());
    place.database.sql(&format!("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// Layout 3, as far as the next one differs: nothing refreshed views, a rule's walk had other arguments,
/// and the entries had neither an OID nor a basis.
const THIRD: &str = "
    DROP ROUTINE reconcile.refresh_views, reconcile.refresh_view, reconcile.refresh_reads, reconcile.retention_walk;
    CREATE PROCEDURE reconcile.retention_walk(rule_name text, rule_address text, rule_definition text, target text,
      label text, path text, patience text, retries int, children text[], child_names text[], foreign_keys text[],
      child_label text, moved text[], cut_off_query text, count_query text, explain_query text, extent_query text,
      by_heap text, by_order text, by_child text[]) LANGUAGE plpgsql AS 'BEGIN RAISE ''the old one''; END';
    ALTER TABLE reconcile.resource DROP object, DROP basis;
    UPDATE reconcile.layout SET version = 3";

#[test]
fn the_third_layout_gets_what_refreshes_views() {
    for version in [newest(), &versions()[0]] {
        let place = Place::applied(version, "i: [a]");
        place.database.sql(THIRD);
        place.declare(&of_t("i: [a]"));
        place.run(&["plan", "--detailed-exitcode"]).expect(0);
        place.apply(&of_t("i: [a], j: [c]"));
        assert_eq!(place.database.sql("SELECT version FROM reconcile.layout"), "5");
        let shared = "SELECT proname, pronargs - pronargdefaults FROM pg_proc \
            WHERE pronamespace = 'reconcile'::regnamespace AND proname ~ '^(refresh_|retention_walk)' ORDER BY 1";
        let expected = "refresh_reads|1\nrefresh_view|10\nrefresh_views|8\nretention_walk|23";
        assert_eq!(place.database.sql(shared), expected);
        place.run(&["destroy", "--auto-approve", "--allow", "all"]).expect(0);
        assert_eq!(place.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'reconcile'"), "0");
    }
}

#[test]
fn a_newer_layout_is_left_alone() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("UPDATE reconcile.layout SET version = 99");
    place.declare(&of_t("j: [c]"));
    let before = place.state();
    let all = ["--auto-approve", "--allow", "all"];
    for args in [&["apply"] as &[&str], &["rollback", "1"], &["destroy"]] {
        place.run(&[args, &all].concat()).expect_said(3, "a newer version has changed it; nothing was written");
    }
    place.run(&["forget", "index/public.t/i"]).expect_said(3, "nothing was written");
    assert_eq!(before, place.state());
    assert_eq!(place.database.sql("SELECT version FROM reconcile.layout"), "99");
}
