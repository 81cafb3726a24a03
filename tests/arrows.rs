//! Holds the crates to the arrows of `crates/README.md`.

use std::{collections::BTreeSet, process::Command};

/// Each crate of the product, and the crates of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("reconcile-core", &[]),
    ("reconcile-config", &["reconcile-core"]),
    ("reconcile-live", &["reconcile-core"]),
    ("reconcile-apply", &["reconcile-core", "reconcile-live"]),
    ("reconcile-maintain", &["reconcile-core", "reconcile-live", "reconcile-apply"]),
    ("reconcile-render", &["reconcile-core"]),
    ("reconcile-scratch", &[]),
    ("reconcile-bench", &["reconcile-core", "reconcile-scratch"]),
    (
        "reconcile",
        &[
            "reconcile-core",
            "reconcile-config",
            "reconcile-live",
            "reconcile-apply",
            "reconcile-maintain",
            "reconcile-render",
            "reconcile-scratch",
        ],
    ),
];

/// What crates must not use directly, because it is another crate's job.
const NEVER: [(&str, &[&str]); 5] = [
    ("reconcile-core", &["tokio", "sea-orm", "sqlx", "serde_yaml", "serde-saphyr", "walkdir"]),
    ("reconcile-config", &["tokio", "sea-orm", "sqlx", "sea-schema"]),
    ("reconcile-live", &["serde_yaml", "serde-saphyr", "clap", "indicatif"]),
    ("reconcile-render", &["tokio", "sea-orm", "sqlx", "clap", "indicatif"]),
    ("reconcile-scratch", &["tokio", "sea-orm", "sqlx"]),
];

#[test]
fn crates_use_only_what_their_job_allows() {
    let packages = packages();
    for (name, may_use) in MAY_USE {
        let uses = dependencies(&packages, name);
        let ours: BTreeSet<_> = uses.iter().filter(|used| used.starts_with("reconcile")).cloned().collect();
        let beyond: Vec<_> = ours.iter().filter(|used| !may_use.contains(&used.as_str())).collect();
        assert!(beyond.is_empty(), "{name} uses {beyond:?}, against the map in crates/README.md");
    }
    for (name, never) in NEVER {
        let uses = dependencies(&packages, name);
        let wrong: Vec<_> = never.iter().filter(|forbidden| uses.contains(**forbidden)).collect();
        assert!(wrong.is_empty(), "{name} uses {wrong:?}, which is another crate's job");
    }
}

/// The planner is a function of its arguments: what it makes of two sides today, it makes of them tomorrow.
#[test]
fn the_core_reads_no_clock_no_file_and_no_environment() {
    let core = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let sources = walkdir::WalkDir::new(core).into_iter().map(|entry| entry.expect("the folder can be read"));
    let sources: Vec<_> = sources.filter(|entry| entry.path().extension().is_some_and(|end| end == "rs")).collect();
    assert!(sources.len() > 50, "the core has more than {} files", sources.len());
    for entry in sources {
        let text = std::fs::read_to_string(entry.path()).expect("the file can be read");
        for call in ["::now(", "std::fs", "std::env", "std::process", "std::net"] {
            assert!(!text.contains(call), "{} has {call}", entry.path().display());
        }
    }
}

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// What a package uses outside its tests.
fn dependencies(packages: &[serde_json::Value], name: &str) -> BTreeSet<String> {
    let package = packages.iter().find(|package| package["name"] == name);
    let package = package.unwrap_or_else(|| panic!("the workspace has no package {name}"));
    let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
    dependencies
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}
