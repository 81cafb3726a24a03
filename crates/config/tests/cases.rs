//! Runs all folders of `tests/cases`: loads the project in each and compares its output with `expected.txt`.
//! `UPDATE_CASES=1 cargo test` rewrites these files. A file `target.txt` names the target, `env.txt` contains
//! variables.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use reconcile_config::{LoadOptions, Project, load, write::schema_yaml};

fn options(case: &Path) -> LoadOptions {
    let mut options = LoadOptions::new(case);
    options.target = fs::read_to_string(case.join("target.txt")).ok().map(|target| target.trim().to_owned());
    let env = fs::read_to_string(case.join("env.txt")).unwrap_or_default();
    options.env =
        env.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    options
}

fn describe(project: &Project) -> String {
    let settings = &project.settings;
    let mut text = String::new();
    let url = settings
        .database_url_problem
        .as_deref()
        .map(|problem| project.files.render(std::slice::from_ref(problem), false));
    writeln!(text, "url: {}", settings.database_url.as_deref().or(url.as_deref()).unwrap_or("none")).unwrap();
    writeln!(text, "schema: {}", settings.registry_schema).unwrap();
    writeln!(text, "lock_timeout: {:?}, build_timeout: {:?}", settings.lock_timeout, settings.build_timeout).unwrap();
    writeln!(text, "retries: {}, parallel: {}", settings.retries, settings.parallel).unwrap();
    writeln!(text, "search_path: {:?}", settings.search_path).unwrap();
    writeln!(text, "approval: {:?}", settings.approval).unwrap();
    writeln!(text, "scheduler: {:?}", settings.scheduler).unwrap();
    writeln!(text, "files: {:?}", project.files.names().collect::<Vec<_>>()).unwrap();
    text.push_str(&schema_yaml(&project.desired.relations, &[]));
    text + &project.files.render_warnings(&project.warnings, false)
}

#[test]
fn cases_show_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are missing");
    let mut failures = Vec::new();
    for case in cases {
        let prefix = format!("{}/", case.display());
        let shown = match load(&options(&case)) {
            Ok(project) => describe(&project),
            Err(problems) => format!("{problems}{}", problems.files.render_warnings(&problems.warnings, false)),
        };
        let shown = shown.replace(&prefix, "").replace(&case.display().to_string(), ".");
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            failures.push(format!("== {}\n{shown}", case.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
