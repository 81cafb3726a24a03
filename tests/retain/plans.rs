//! Rules in plans: what puts them in force, what takes them back, and what a saved plan of them relies on.

use crate::common::{Database, Project, Run, newest};

const TABLES: &str = "CREATE TABLE log (id serial PRIMARY KEY, at timestamptz NOT NULL, body text); \
    INSERT INTO log (at) SELECT now() - n * interval '1 day' FROM generate_series(1, 100) n";

fn rule(days: u32) -> String {
    format!("retention: {{ log: {{ column: at, retain_for: {days} days }} }}\n")
}

/// A database where the rule of 50 days is in force, by run 1.
fn in_force() -> (Database, Project) {
    let (database, project) = (Database::new(newest()), Project::with(rule(50)));
    database.sql(TABLES);
    project.apply(&database);
    (database, project)
}

/// The period of the rule in force.
fn period(database: &Database) -> String {
    database.sql("SELECT declaration->>'retain_for' FROM reconcile.resource WHERE address LIKE 'retention/%'")
}

fn retain(project: &Project, database: &Database) -> Run {
    project.run(database, &["retain"]).expect(0)
}

fn rows(database: &Database) -> String {
    database.sql("SELECT count(*) FROM log")
}

#[test]
fn a_shorter_window_deletes_nothing_until_it_is_approved_and_applied() {
    let (database, project) = in_force();
    retain(&project, &database);
    assert_eq!(rows(&database), "49");
    project.write("schema/tables.yaml", rule(5));
    retain(&project, &database);
    assert_eq!(rows(&database), "49");
    project.run(&database, &["apply", "--auto-approve"]).expect_said(4, "deletes_data");
    retain(&project, &database);
    assert_eq!((rows(&database), period(&database)), ("49".to_owned(), "50 days".to_owned()));
    project.run(&database, &["apply", "--auto-approve", "--allow", "deletes_data"]).expect(0);
    retain(&project, &database);
    assert_eq!(rows(&database), "4");
}

#[test]
fn a_rollback_puts_the_former_rule_in_force_and_the_first_one_out_of_it() {
    let (database, project) = in_force();
    project.write("schema/tables.yaml", rule(5));
    project.apply(&database);
    // To a longer window: nothing more can go.
    project.run(&database, &["rollback", "2", "--auto-approve"]).expect(0);
    assert_eq!(period(&database), "50 days");
    let run = project.run(&database, &["rollback", "2", "--auto-approve"]).expect(0);
    assert!(run.stdout.contains("No changes."), "{run}");
    project.run(&database, &["rollback", "1", "--auto-approve"]).expect(0);
    assert_eq!(period(&database), "");
    retain(&project, &database);
    assert_eq!(rows(&database), "100");
}

#[test]
fn a_rule_that_is_no_longer_declared_or_is_forgotten_deletes_nothing_more() {
    for leave in [&["apply", "--auto-approve"][..], &["forget", "retention/log"], &["destroy", "--auto-approve"]] {
        let (database, project) = in_force();
        if leave[0] == "apply" {
            project.write("schema/tables.yaml", "retention: {}\n");
        }
        project.run(&database, leave).expect(0);
        retain(&project, &database);
        assert_eq!(rows(&database), "100", "after {leave:?}");
    }
}

#[test]
fn a_saved_plan_of_a_rule_is_stale_when_its_table_has_changed() {
    let (database, project) = (Database::new(newest()), Project::with(rule(50)));
    database.sql(TABLES);
    project.run(&database, &["plan", "--out", "plan.json"]).expect(0);
    let apply = ["apply", "plan.json", "--auto-approve", "--allow", "deletes_data"];
    // Rows come and go; what they look like must stay.
    database.sql("INSERT INTO log (at) VALUES ('2001-01-01'); ANALYZE log");
    database.sql("CREATE TABLE child (log integer REFERENCES log ON DELETE SET NULL)");
    project.run(&database, &apply).expect_said(3, "retention/public.log");
    database.sql("DROP TABLE child");
    project.run(&database, &apply).expect(0);
    project.expect_no_changes(&database);
}

#[test]
fn only_and_exclude_hold_for_rules() {
    let (database, project) = in_force();
    project.write("schema/tables.yaml", format!("{}tables: {{ log: {{ indexes: {{ i: [at] }} }} }}\n", rule(5)));
    let only = ["apply", "--auto-approve", "--only", "index/log/i"];
    project.run(&database, &only).expect(0);
    assert_eq!(period(&database), "50 days");
    let run = project.run(&database, &["plan", "--exclude", "retention/log"]).expect(0);
    assert!(run.stdout.contains("No changes."), "{run}");
}
