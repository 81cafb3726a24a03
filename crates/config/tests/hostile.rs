//! Hostile files and folders: each gets an answer, never a panic and never an endless run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::format_collect, reason = "a test writes its YAML as it reads best")]

use std::{fs, os::unix::fs::symlink, path::Path};

use reconcile_config::{LoadOptions, Problems, Project, json_schema, load, starting_project};
use tempfile::TempDir;

fn project(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, contents) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    folder
}

fn read(files: &[(&str, &[u8])]) -> Result<Project, Problems> {
    load(&LoadOptions::new(project(files).path()))
}

fn mistakes(files: &[(&str, &[u8])]) -> String {
    read(files).expect_err("this is wrong").to_string()
}

#[test]
fn a_large_file_is_read() {
    let mut yaml = String::from("tables:\n");
    for table in 0.. {
        yaml.push_str(&format!("  t{table}:\n    indexes:\n"));
        yaml.push_str(&format!(
            "      t{table}_0: [a, b]\n      t{table}_1: {{ columns: [a], comment: {} }}\n",
            "x".repeat(2000)
        ));
        if yaml.len() > 10_000_000 {
            break;
        }
    }
    let project = read(&[("schema/a.yaml", yaml.as_bytes())]).expect("it is only large");
    assert!(project.desired.indexes().count() > 9_000);
    let wrong = yaml.replacen("[a, b", "[5, b", 1);
    assert!(mistakes(&[("schema/a.yaml", wrong.as_bytes())]).contains("a.yaml:4:14\n"));
}

#[test]
fn a_large_line_is_cut() {
    let yaml = format!(
        "tables: {{ a: {{ indexes: {{ {} i: [5], j: [b] }} }} }} #{}",
        "\"a\": [a],".repeat(100_000),
        "x".repeat(1_000_000)
    );
    let shown = mistakes(&[("schema/a.yaml", yaml.as_bytes())]);
    assert!(shown.len() < 100_000, "{}", shown.len());
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert!(mistakes(&[("schema/a.yaml", bomb.as_bytes())]).contains("unknown key `a0`"));
    let merges = "x: &x {}\n".to_owned()
        + &(0..30).map(|level| format!("m{level}: &m{level} {{ <<: [*x, *x], k{level}: 1 }}\n")).collect::<String>();
    assert!(mistakes(&[("schema/a.yaml", merges.as_bytes())]).contains("unknown key `x`"));
    let keys: String = (0..2000).map(|key| format!("k{key}: [a], ")).collect();
    let merges = format!("tables:\n  a: &a {{ {keys} }}\n") + &"  b: { <<: *a }\n".repeat(2000);
    assert!(mistakes(&[("schema/a.yaml", merges.as_bytes())]).contains("more than a million"));
    let indexes: String = (0..2000).map(|index| format!("i{index}: [a], ")).collect();
    let tables: String = (0..2000).map(|table| format!("  t{table}: *t\n")).collect();
    let square = format!("tables:\n  t: &t {{ indexes: {{ {indexes} }} }}\n{tables}");
    assert!(mistakes(&[("schema/a.yaml", square.as_bytes())]).contains("more than a million values"));
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        assert!(mistakes(&[("schema/a.yaml", text.as_bytes())]).contains("a.yaml:1:"));
    }
}

#[test]
fn any_bytes_get_an_answer() {
    let sound = b"tables:\n  a.b: { prune: true, indexes: { i: [a, \"b\"], j: { columns: [x], where: 'y' } } }\n";
    for position in 0..sound.len() {
        for byte in [0, b'\t', b'\n', b'"', b'\'', b'{', b']', b':', b'&', b'*', b'!', b'|', b'%', b'-', 0xff] {
            let mut bytes = sound.to_vec();
            bytes[position] = byte;
            if let Err(problems) = read(&[("schema/a.yaml", &bytes)]) {
                let shown = problems.to_string();
                assert!(shown.contains("a.yaml:"), "no place: {shown}");
                assert!(problems.files.to_json(&problems.problems)[0]["line"].is_u64());
            }
        }
    }
}

#[test]
fn folders_and_links_are_followed_once() {
    let folder =
        project(&[("schema/a.yaml", b"tables: { a: { indexes: { i: [a] } } }"), ("schema/x.yaml/y.yaml", b"")]);
    let schema = folder.path().join("schema");
    symlink(&schema, schema.join("loop")).unwrap();
    symlink(schema.join("a.yaml"), schema.join("again.yaml")).unwrap();
    symlink("nothing", schema.join("dangling.txt")).unwrap();
    let project = load(&LoadOptions::new(folder.path())).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(project.files.names().count(), 2);
    symlink("nothing", schema.join("dangling.yaml")).unwrap();
    assert!(load(&LoadOptions::new(folder.path())).expect_err("it dangles").to_string().contains("no such file"));
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = project(&[("reconcile.yaml", b"include: [pipe, /dev/zero]")]);
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(made.unwrap().success());
    let shown = load(&LoadOptions::new(folder.path())).expect_err("neither is a file").to_string();
    assert_eq!(shown.matches("is not a regular file").count(), 2, "{shown}");
}

#[test]
fn paths_are_shown_as_typed() {
    let folder = project(&[("schema/a.yaml", b"x: 1"), ("other/p.yaml", b"include: ['../schema/*.yaml']\ny: 1")]);
    let names = |options: &LoadOptions| -> Vec<String> {
        load(options).expect_err("wrong").files.names().map(str::to_owned).collect()
    };
    let below = |path: &str| folder.path().join(path).display().to_string();
    let mut options = LoadOptions::new(folder.path());
    assert_eq!(names(&options), [below("schema/a.yaml")]);
    options.config = Some("other/p.yaml".into());
    assert_eq!(names(&options), [below("other/p.yaml"), below("other/../schema/a.yaml")]);
    options.config = Some("missing.yaml".into());
    assert!(load(&options).expect_err("missing").to_string().contains("missing.yaml:1:1"));
    assert!(load(&LoadOptions::new(Path::new("/nowhere"))).expect_err("missing").to_string().contains("no project"));
}

#[test]
fn the_starting_project_loads_with_and_without_its_comments() {
    let sound: Vec<(&str, String)> =
        starting_project().into_iter().map(|(path, contents)| (path, contents.to_owned())).collect();
    // A comment that is indented, or that contains a key, is an example.
    let example = |line: &str| {
        let bare = line.replacen("# ", "", 1);
        let is_example = line.starts_with("  #")
            || line.trim_start_matches("# ").split(':').next().is_some_and(|key| {
                line.starts_with('#')
                    && (line.starts_with("#  ") || ["include", "defaults", "safety", "targets"].contains(&key))
            });
        if is_example { bare } else { line.to_owned() }
    };
    let uncommented = sound
        .iter()
        .map(|(path, contents)| (*path, contents.lines().map(|line| example(line) + "\n").collect()))
        .collect();
    for (files, indexes) in [(sound, 0), (uncommented, 3)] {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, text): &(&str, String)| (*path, text.as_bytes())).collect();
        let project = read(&files).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(project.desired.indexes().count(), indexes);
        assert!(project.settings.database_url_problem.is_some());
    }
}

#[test]
fn the_json_schema_describes_the_files() {
    let schema = json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    for section in ["version", "database", "include", "defaults", "safety", "scheduler", "targets", "tables"] {
        assert!(schema["properties"][section]["description"].is_string(), "{section}");
    }
    assert_eq!(schema["$defs"]["TableSpec"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["FullSpec"]["required"], serde_json::json!(["columns"]));
}

#[test]
fn colours_are_optional_and_json_has_places_without_passwords() {
    let problems =
        read(&[("reconcile.yaml", b"database: { url: postgres://a:geheim@b, x: 1 }\n'postgres://a:geheim@b': 1")]);
    let problems = problems.expect_err("x is unknown");
    assert!(problems.files.render(&problems.problems, true).contains("\u{1b}["));
    assert!(!problems.files.render(&problems.problems, false).contains('\u{1b}'));
    let json = problems.files.to_json(&problems.problems);
    assert!(!json.to_string().contains("geheim"), "{json}");
    let place = ["line", "column", "end_line", "end_column"].map(|key| json[0][key].as_u64());
    assert_eq!(place, [Some(1), Some(41), Some(1), Some(42)]);
    assert_eq!(json[0]["message"], "unknown key `x`");
    assert!(json[0]["file"].as_str().is_some_and(|file| file.ends_with("reconcile.yaml")));
}
