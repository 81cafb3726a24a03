//! Finds the files that a list of includes names, in the same order on every machine. Reading them is left to `load`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

/// An include whose files cannot be found or read.
#[derive(Debug)]
pub(crate) struct NotFound {
    /// The position of the include, from 0.
    pub(crate) include: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// The files that the includes name.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// Their paths, with `base`: each once, in the order of the includes, then of the paths.
    pub(crate) files: Vec<PathBuf>,
    /// Includes that cannot be read.
    pub(crate) problems: Vec<NotFound>,
    /// The positions of patterns that match no file.
    pub(crate) unmatched: Vec<usize>,
}

/// Finds the files that the includes name below `base`, except `project`, which has been read already. Patterns skip
/// hidden files and folders, because editors and mounted volumes keep copies there.
pub(crate) fn discover(base: &Path, includes: &[String], project: Option<&Path>) -> Discovered {
    let mut discovered = Discovered::default();
    let mut seen: HashSet<PathBuf> = project.and_then(|path| path.canonicalize().ok()).into_iter().collect();
    for (include, pattern) in includes.iter().enumerate() {
        let found = if is_pattern(pattern) { matching(base, pattern) } else { literal(base, pattern) };
        let files = match found {
            Ok(files) => files,
            Err((message, hint)) => {
                discovered.problems.push(NotFound { include, message, hint });
                continue;
            }
        };
        if files.is_empty() {
            discovered.unmatched.push(include);
        }
        for file in files {
            // A link and its target are one file.
            let identity = file.canonicalize().unwrap_or_else(|_| file.clone());
            if seen.insert(identity) {
                discovered.files.push(file);
            }
        }
    }
    discovered
}

type Found = Result<Vec<PathBuf>, (String, Option<String>)>;

fn is_pattern(include: &str) -> bool {
    include.contains(['*', '?', '[', '{'])
}

fn literal(base: &Path, include: &str) -> Found {
    let path = base.join(include);
    match path.metadata() {
        Ok(found) if found.is_dir() => {
            let hint = format!("to read the files in it, write `{}/**/*.yaml`", include.trim_end_matches('/'));
            Err((format!("`{include}` is a folder"), Some(hint)))
        }
        Ok(_) => Ok(vec![path]),
        Err(error) => Err((format!("`{include}` cannot be read: {}", reason(&error)), None)),
    }
}

fn matching(base: &Path, pattern: &str) -> Found {
    let (folder, rest) = split_pattern(pattern);
    let glob = GlobBuilder::new(rest).literal_separator(true).build();
    let glob = glob
        .map_err(|error| (format!("`{pattern}` is not a valid pattern: {}", error.kind()), None))?
        .compile_matcher();
    let start = base.join(folder);
    if !start.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    let visible = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    for entry in WalkDir::new(&start).follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let relative = entry.path().strip_prefix(&start).unwrap_or(entry.path());
                if glob.is_match(relative) {
                    files.push(entry.into_path());
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(&start);
                let relative = path.strip_prefix(&start).unwrap_or(path);
                let looped = error.loop_ancestor().is_some();
                // A dangling link is a mistake only if the pattern matches it.
                if !looped && (path.is_dir() || glob.is_match(relative)) {
                    let cause = error.io_error().map_or_else(|| error.to_string(), reason);
                    return Err((format!("`{}` cannot be read: {cause}", path.display()), None));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The folders before the first special character of a pattern, and the rest.
fn split_pattern(pattern: &str) -> (&str, &str) {
    let sign = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    match pattern[..sign].rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(slash) => (&pattern[..slash], &pattern[slash + 1..]),
        None => ("", pattern),
    }
}

/// Why the operating system cannot read a file, in a few words.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
