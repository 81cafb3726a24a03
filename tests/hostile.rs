//! Files, names and fragments that somebody made up to break something: an error or a success, never a panic, never
//! a second statement, never without end.

use std::time::Duration;

use crate::common::{Database, Project, Run, newest};

/// More than any of these takes on a slow machine without optimisation.
const BOUND: Duration = Duration::from_mins(1);

/// Everything that must still be there, and nothing else.
const CANARY: &str =
    "CREATE TABLE t (a integer, b text); CREATE TABLE precious (x integer); INSERT INTO precious VALUES (42);";

fn canary(database: &Database) {
    assert_eq!(database.sql("SELECT x FROM precious"), "42", "something else was executed");
    assert_eq!(
        database.sql(
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'v', 'S') \
            AND relnamespace = 'public'::regnamespace"
        ),
        "precious t"
    );
    assert_eq!(database.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'evil'"), "0");
}

fn bounded(run: Run) -> Run {
    assert!(run.took < BOUND, "it took {:?}", run.took);
    run
}

/// The program refuses it, whatever it is asked to do, and says where.
fn refuse(database: &Database, project: &Project) {
    for args in [&["validate"][..], &["plan"], &["apply", "--auto-approve", "--allow", "all"]] {
        let run = bounded(project.run(database, args));
        assert_eq!(run.code, 1, "{args:?}: {run}");
        assert!(run.stderr.starts_with("error"), "{run}");
        assert!(run.stderr.len() < 200_000, "{} bytes of complaint", run.stderr.len());
    }
}

/// A name of several lines must not end a comment that it stands in, nor anything else.
#[test]
fn names_of_views_over_several_lines() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let names = ["\\n; COMMIT; DROP TABLE precious; --", "*/; DROP TABLE precious; /*", "'; DROP TABLE precious; --"];
    let views = names.map(|name| format!("  \"x{name}\": {{ query: SELECT a FROM t }}\n")).concat();
    project.write("schema/views.yaml", format!("materialized_views:\n{views}"));
    project.apply(&database);
    project.expect_no_changes(&database);
    canary(&database);
    assert_eq!(database.sql("SELECT count(*) FROM pg_matviews WHERE matviewname LIKE '%precious%'"), "3");
    project.write("schema/views.yaml", "tables: {}");
    project.apply(&database);
    assert_eq!(database.sql("SELECT count(*) FROM pg_matviews"), "0");
    canary(&database);
}

#[test]
fn a_file_of_ten_megabytes() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let mut text = String::from("tables:\n  t:\n    indexes:\n");
    let mut number = 0;
    while text.len() < 10_000_000 {
        text.push_str(&format!(
            "      index_{number}: {{ columns: [a, b], where: \"b <> '{}'\" }}\n",
            "x".repeat(2000)
        ));
        number += 1;
    }
    project.write("schema/big.yaml", &text);
    let run = bounded(project.run(&database, &["validate"]));
    assert!(run.code == 0 || run.code == 1, "{run}");
    // The same with a mistake on each line is still an answer that somebody can read.
    project.write("schema/big.yaml", text.replace("columns:", "colums:"));
    let run = bounded(project.run(&database, &["plan"]));
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("did you mean `columns`"), "{}", &run.stderr[..2000.min(run.stderr.len())]);
    project.write("schema/big.yaml", "x".repeat(10_000_000));
    refuse(&database, &project);
    project.write("schema/big.yaml", "[".repeat(10_000_000));
    refuse(&database, &project);
    project
        .write("schema/big.yaml", format!("tables: {{ t: {{ indexes: {{ i: [\"{}\"] }} }} }}", "a".repeat(9_000_000)));
    refuse(&database, &project);
    canary(&database);
}

#[test]
fn a_bomb_of_aliases() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let above = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{above}]\n"));
    }
    project.write("schema/bomb.yaml", format!("{bomb}tables: {{ t: {{ indexes: {{ i: *a11 }} }} }}\n"));
    refuse(&database, &project);
    project.write("schema/bomb.yaml", "tables: &t { t: *t }\n");
    refuse(&database, &project);
    project.write("schema/bomb.yaml", "tables: { t: { indexes: { i: *nowhere } } }\n");
    refuse(&database, &project);
}

#[test]
fn files_that_are_no_yaml() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let deep = |open: &str, close: &str| format!("tables: {}1{}", open.repeat(20_000), close.repeat(20_000));
    let wrong: [Vec<u8>; 13] = [
        b"tables: \0".to_vec(),
        b"tables: { t: { indexes: { \"i\\0\": [a] } } }".to_vec(),
        b"tables: { \xff\xfe: 1 }".to_vec(),
        b"\xff\xfet\0a\0b\0".to_vec(),
        b"tables: \"\\ud800\"".to_vec(),
        deep("[", "]").into_bytes(),
        deep("{a: ", "}").into_bytes(),
        deep("- ", "").into_bytes(),
        b"tables:\n\t t: 1".to_vec(),
        b"--- a\n--- b\n".to_vec(),
        b"tables: { t: { indexes: { i: [a] } }".to_vec(),
        b"!!binary x".to_vec(),
        b"tables: { t: { indexes: { i: !evil [a] } } }\n? {a: b}\n: c".to_vec(),
    ];
    for text in wrong {
        project.write("schema/wrong.yaml", &text);
        refuse(&database, &project);
    }
    canary(&database);
}

/// A fragment that closes what it did not open, or says more than one thing.
#[test]
fn fragments_that_want_to_be_statements() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let fragments = [
        "x); DROP TABLE precious; --",
        "a > 1); DROP TABLE precious; --",
        "a > 1; DROP TABLE precious",
        "a > 1) TABLESPACE pg_default; CREATE ROLE evil; --",
        "true); COMMIT; DROP TABLE precious; --",
        "true /*); */); DROP TABLE precious; --",
        "b = '\\'); DROP TABLE precious; --'",
        "b = E'\\\\'); DROP TABLE precious; --'",
        "b = E'\\'); DROP TABLE precious; --",
        "b = U&'\\0027); DROP TABLE precious; --' UESCAPE '!",
        "b = $$); DROP TABLE precious; --",
        "b = $a$ $b$ $a$); DROP TABLE precious; -- $a$",
        "b = $1); DROP TABLE precious; --",
        "\"b\"\"); DROP TABLE precious; --",
        "a > 1 -- ); DROP TABLE precious",
        "a > 1 /* /* */ ); DROP TABLE precious; -- */",
        "a > 1\r); DROP TABLE precious; --",
        "a > 1\u{2028}); DROP TABLE precious; --",
        "a > 1) WITH (fillfactor = 10",
        "a > 1), (b",
        "a, b",
        "a > (SELECT count(*) FROM precious)",
        "a > 1 UNION SELECT 1",
        "pg_sleep(30) IS NOT NULL",
        "a = lo_import('/etc/passwd')::integer",
        "",
        "   ",
        "-- nothing",
        "\u{feff}a > 1",
        "b = N'x'",
        "1e'x' = ''",
        ":a > 1",
        "\\! touch /tmp/evil",
    ];
    for fragment in fragments {
        let quoted = serde_json::to_string(fragment).unwrap();
        for index in [format!("{{ columns: [a], where: {quoted} }}"), format!("[{{ expression: {quoted} }}]")] {
            project.write("schema/tables.yaml", format!("tables: {{ t: {{ indexes: {{ i: {index} }} }} }}\n"));
            let run = bounded(project.run(&database, &["apply", "--auto-approve", "--allow", "all"]));
            assert!(run.code == 0 || run.code == 1, "{fragment}: {run}");
            if run.code == 1 {
                assert!(run.stderr.contains("--> schema/tables.yaml:1:"), "not located: {fragment}: {run}");
            }
            canary(&database);
        }
    }
    let log = database.log().join("\n");
    // The statement that a fragment wants to be is in the log as part of a string or a comment, if at all.
    let executed =
        log.lines().filter(|line| line.contains("statement: DROP TABLE") || line.contains("statement: CREATE ROLE"));
    assert_eq!(executed.count(), 0, "{log}");
}

#[test]
fn names_that_want_to_be_statements() {
    let (database, project) = (Database::new(newest()), Project::new());
    database.sql(CANARY);
    let names = [
        "i\"; DROP TABLE precious; --",
        "i'; DROP TABLE precious; --",
        "$$; DROP TABLE precious; --",
        "\\\"; DROP TABLE precious; --",
        "*/ ; DROP TABLE precious; /*",
        "\n; DROP TABLE precious; --",
        "\r\n\t\u{8}\u{1b}[31mred",
        "\u{202e}evil",
        "pg_temp",
        "reconcile_new_x",
        "../../etc/passwd",
        "%s%n%x",
        "{0}",
        "\\! touch /tmp/evil",
        "a/b/c",
        "\"\"",
        "'",
    ];
    for name in names {
        let quoted = serde_json::to_string(name).unwrap();
        let everywhere = [
            format!("{{ t: {{ indexes: {{ {quoted}: {{ columns: [a], comment: {quoted} }} }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: [{{ column: {quoted} }}] }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: [{quoted}] }} }} }}"),
            format!("{{ {quoted}: {{ indexes: {{ i: [a] }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: {{ columns: [a], method: {quoted} }} }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: {{ columns: [a], tablespace: {quoted} }} }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: {{ columns: [a], with: {{ {quoted}: {quoted} }} }} }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: {{ columns: [a], with: {{ fillfactor: {quoted} }} }} }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: [{{ column: b, opclass: {quoted} }}] }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: [{{ column: b, collation: {quoted} }}] }} }} }}"),
            format!("{{ t: {{ indexes: {{ i: {{ columns: [a], include: [{quoted}] }} }} }} }}"),
        ];
        for tables in everywhere {
            project.write("schema/tables.yaml", format!("tables: {tables}\n"));
            let run = bounded(project.run(&database, &["apply", "--auto-approve", "--allow", "all"]));
            assert!(run.code == 0 || run.code == 1, "{tables}: {run}");
            assert!(!run.to_string().contains('\u{1b}'), "an escape sequence reaches the terminal: {run}");
            if run.code == 0 {
                project.expect_no_changes(&database);
            }
        }
        canary(&database);
    }
}

#[test]
fn a_hostile_schema_for_the_registry() {
    let (database, project) = (Database::new(newest()), Project::with("tables: { t: { indexes: { i: [a] } } }"));
    database.sql(CANARY);
    for (name, code) in [("o'dd \"one\"; DROP TABLE precious; --", 0), ("", 1), ("pg_own", 1)] {
        let quoted = serde_json::to_string(name).unwrap();
        project.write("reconcile.yaml", format!("version: 1\ndatabase: {{ schema: {quoted} }}\n"));
        let run = project.run(&database, &["apply", "--auto-approve"]);
        assert_eq!(run.code, code, "{name}: {run}");
        canary(&database);
    }
    project
        .write("reconcile.yaml", "version: 1\ndefaults: { search_path: ['x\"; DROP TABLE precious; --', public] }\n");
    project.run(&database, &["apply", "--auto-approve"]).expect(0);
    canary(&database);
}

/// Text stops somewhere, and says so; data does not.
#[test]
fn every_mistake_is_in_the_data() {
    const TABLES: usize = 1500;
    let project = Project::new();
    let tables: Vec<_> = (0..TABLES).map(|table| format!("  t{table}: {{ indexs: {{}} }}\n")).collect();
    let views: Vec<_> = (0..TABLES).map(|view| format!("  v{view}: {{ qery: SELECT 1 }}\n")).collect();
    project.write("schema/tables.yaml", format!("tables:\n{}", tables.concat()));
    project.write("schema/views.yaml", format!("materialized_views:\n{}", views.concat()));
    let nowhere = "postgres://127.0.0.1:1/none";
    let json = project.run_at(nowhere, &["validate", "--json"]).expect(1).json();
    let found = json["problems"].as_array().unwrap();
    let of = |file: &str| found.iter().filter(|problem| problem["file"].as_str().unwrap().ends_with(file)).count();
    assert!(of("tables.yaml") == TABLES && of("views.yaml") >= TABLES, "{} {}", of("tables.yaml"), of("views.yaml"));
    let rest = found.len() - 100;
    let text = format!("… and {rest} more: `--json` has all of them\n");
    let run = project.run_at(nowhere, &["validate"]).expect(1);
    assert!(run.stderr.ends_with(&text), "{run}");
    // What nobody wrote by hand ends somewhere, and that is one of the mistakes.
    let many: Vec<_> = (0..6000).map(|table| format!("  t{table}: {{ indexs: {{}} }}\n")).collect();
    project.write("schema/tables.yaml", format!("tables:\n{}", many.concat()));
    let json = project.run_at(nowhere, &["validate", "--json"]).expect(1).json();
    let last = |problem: &serde_json::Value| problem["message"].as_str().unwrap().contains("has 5000 mistakes or more");
    assert_eq!(json["problems"].as_array().unwrap().iter().filter(|problem| last(problem)).count(), 1);
}
