//! What `history` shows, to whom, and what it does not.

use serde_json::Value;

use super::place::{Place, of_t};
use crate::common::{Database, Project, Run, newest};

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_history_tells_what_was_done_and_how_it_ended() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("UPDATE t SET b = 'same' WHERE a < 4");
    place.declare(&of_t("i: [a], j: { columns: [b], unique: true }"));
    place.run(&["apply", "--auto-approve"]).expect(1);
    place.run(&["forget", "index/public.t/i"]).expect(0);
    place.run(&["rollback", "3", "--auto-approve"]).expect(0);

    let runs = lines(&place.run(&["--json", "history"]).expect(0));
    let field = |name: &str| runs.iter().map(|run| run[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("run"), [4, 3, 2, 1]);
    assert_eq!(field("outcome"), ["done", "done", "failed", "done"]);
    assert_eq!(field("command"), ["rollback", "forget", "apply", "apply"]);
    assert_eq!(field("reverts"), [Value::from(3), Value::Null, Value::Null, Value::Null]);
    for run in &runs {
        let started = run["started_at"].as_str().unwrap();
        assert!(started.len() == 24 && started.ends_with('Z') && started.contains('T'), "{started}");
        assert!(run["finished_at"].as_str().unwrap() >= started);
        assert!(run["ms"].is_i64() && run["role"] == "postgres" && run["version"].is_string(), "{run}");
    }
    let text = place.run(&["history"]).expect(0).stdout;
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.starts_with("RUN  STARTED (UTC)"), "{text}");
    assert!(text.contains("rollback of run 3"), "{text}");

    let steps = lines(&place.run(&["--json", "history", "2"]).expect(0));
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0]["outcome"], "failed");
    assert!(steps[0]["error"].as_str().unwrap().contains("could not create unique index"), "{}", steps[0]);
    let text = place.run(&["history", "2"]).expect(0).stdout;
    for words in ["run 2: apply: 1 create, failed", "by postgres", "CREATE UNIQUE INDEX CONCURRENTLY j", "-- "] {
        assert!(text.contains(words), "expected `{words}` in {text}");
    }
    // Statements of a step with several, and of a run with none.
    place.run(&["history", "3"]).expect(0);
    place.run(&["history", "5"]).expect_said(1, "there is no run 5");
    place.run(&["history", "x"]).expect(64);
    assert!(place.run(&["--json", "history", "3"]).expect(0).stdout.is_empty());
}

#[test]
fn who_asked_is_told_as_the_system_knows_them() {
    let place = Place::new(newest());
    place.declare("");
    let mut command = place.project.command(&["apply", "--auto-approve"]);
    Run::of(command.env("DATABASE_URL", place.database.url()).env("USER", "ada\u{1b}[31m")).expect(0);
    let runs = lines(&place.run(&["--json", "history"]).expect(0));
    assert_eq!(runs[0]["operator"], "ada\u{1b}[31m");
    let text = place.run(&["history"]).expect(0).stdout;
    assert!(text.contains("as postgres") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn where_nothing_was_applied_it_says_so() {
    let (database, project) = (Database::new(newest()), Project::with("tables: {}"));
    let traces = database.traces();
    assert_eq!(project.run(&database, &["history"]).expect(0).stdout, "Nothing was applied here yet.\n");
    assert_eq!(project.run(&database, &["--json", "history"]).expect(0).stdout, "");
    project.run(&database, &["history", "1"]).expect_said(1, "there is no run 1");
    assert_eq!(traces, database.traces());
}

#[test]
fn who_may_not_read_it_is_told_what_to_ask_for() {
    let place = Place::applied(newest(), "i: [a]");
    let role = format!("reader_{}", place.database.name);
    place.database.sql(&format!("CREATE ROLE {role} LOGIN"));
    let url = place.database.url_as(&role);
    let before = place.state();
    for args in [
        &["history"] as &[&str],
        &["history", "1"],
        &["rollback", "1", "--auto-approve", "--allow", "all"],
        &["forget", "index/public.t/i"],
        &["destroy", "--auto-approve", "--allow", "all"],
    ] {
        let run = place.project.run_at(&url, args).expect(1);
        assert!(run.stderr.contains("permission denied") || run.stderr.contains("must be owner"), "{run}");
        assert!(run.stderr.contains("hint: "), "no hint: {run}");
    }
    assert_eq!(before, place.state());
    // A plan needs no more than before.
    place.project.run_at(&url, &["plan"]).expect(0);
    place.database.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO {role}"));
    place.project.run_at(&url, &["history"]).expect(0);
    place.project.run_at(&url, &["history", "1"]).expect(0);
    place.database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn no_secret_gets_into_the_history() {
    let place = Place::new(newest());
    place.project.write("reconcile.yaml", "version: 1\ndatabase: { url: \"${URL}\" }\n");
    place.declare(&of_t("i: [a], j: { columns: [b], unique: true }"));
    place.database.sql("UPDATE t SET b = 'ada@example.org' WHERE a < 4");
    // The server trusts; what the password is makes no difference to it.
    let url = format!("{}&password=hunter2", place.database.url());
    let mut command = place.project.command(&["apply", "--auto-approve"]);
    Run::of(command.env("URL", &url).env("PGPASSWORD", "hunter3")).expect(1);
    let all = ["run", "step", "resource"].map(|table| place.database.sql(&format!("SELECT * FROM reconcile.{table}")));
    for secret in ["hunter", "password", "ada@example.org"] {
        assert!(!all.concat().contains(secret), "{secret} in {all:?}");
        for args in [&["history"] as &[&str], &["history", "1"], &["--json", "history"], &["--json", "history", "1"]] {
            let mut command = place.project.command(args);
            let run = Run::of(command.env("URL", &url)).expect(0);
            assert!(!run.to_string().contains(secret), "{secret} in {run}");
        }
    }
}

/// While a run works, it says so; where it broke off, that.
#[test]
fn a_run_without_an_end_is_shown_as_what_it_is() {
    let place = Place::applied(newest(), "i: [a]");
    place.database.sql("UPDATE reconcile.run SET outcome = 'running', finished_at = NULL");
    let outcome = || lines(&place.run(&["--json", "history"]).expect(0))[0]["outcome"].clone();
    assert_eq!(outcome(), "interrupted");
    place.run(&["history", "1"]).expect(0);
    place.apply(&of_t("i: [a], j: [c]"));
    assert_eq!(place.runs(), "1|apply|interrupted\n2|apply|done");
}
