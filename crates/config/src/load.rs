//! Loads a project: the project file, the files it includes, their declarations and the settings. Each step goes on
//! after a mistake, so that one run shows all of them.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    thread,
};

use reconcile_core::{
    problem::Problem,
    source::{FileId, Source},
};

use crate::{
    declare::Declarations,
    discover::{Discovered, discover, reason},
    files::{File, Files},
    matviews::QueryFile,
    options::LoadOptions,
    parse::{Parsed, Variables, parse},
    project::{Problems, Project},
    settings::Sections,
    shape::{Entries, ViewSpec},
};

/// The project file of a folder.
const PROJECT_FILE: &str = "reconcile.yaml";

/// The files that are read if no project file names others.
const INCLUDES: [&str; 2] = ["schema/**/*.yaml", "policies/**/*.yaml"];

/// The size of the largest file that is read. The indexes of a hundred thousand tables need less.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// With less text than this, more threads cost more than they save.
const THREAD_BYTES: usize = 64 * 1024;

/// Reads the project that `options` name.
///
/// # Errors
/// The files have mistakes. The error contains all of them.
pub fn load(options: &LoadOptions) -> Result<Project, Problems> {
    let mut loading = Loading { options, files: Files::default(), problems: Vec::new(), warnings: Vec::new() };
    let mut parsed = Vec::new();
    let base = match loading.project_file() {
        Some(path) => {
            let variables = Variables { env: &options.env, target: options.target.as_deref() };
            parsed.push(loading.read_project(path.clone(), variables));
            path.parent().map(Path::to_path_buf).unwrap_or_default()
        }
        None => options.directory.clone(),
    };
    let written = parsed.first_mut().map(|(id, parsed)| (*id, parsed.spec.include.take()));
    let paths = loading.includes(&base, written);
    parsed.extend(loading.read(paths));
    loading.finish(base, parsed)
}

struct Loading<'a> {
    options: &'a LoadOptions,
    files: Files,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Loading<'_> {
    fn project_file(&self) -> Option<PathBuf> {
        let directory = &self.options.directory;
        match &self.options.config {
            Some(config) => Some(directory.join(config)),
            None => Some(directory.join(PROJECT_FILE)).filter(|path| path.symlink_metadata().is_ok()),
        }
    }

    fn read_project(&mut self, path: PathBuf, variables: Variables<'_>) -> (FileId, Parsed) {
        let text = read_text(&path);
        let id = self.add(path, text);
        let parsed = match self.files.get(id) {
            Some(file) if self.problems.is_empty() => parse(&file.text, id, Some(variables)),
            _ => Parsed::default(),
        };
        (id, parsed)
    }

    /// The files to read besides the project file.
    fn includes(&mut self, base: &Path, project: Option<(FileId, Option<Vec<String>>)>) -> Vec<PathBuf> {
        let (at, written) = match project {
            Some((id, written)) => (Some(Source::file(id).key("include")), written),
            None => (None, None),
        };
        let given = written.is_some();
        let includes = written.unwrap_or_else(|| INCLUDES.map(str::to_owned).to_vec());
        if at.is_none() && !["schema", "policies"].iter().any(|folder| base.join(folder).is_dir()) {
            if self.options.may_be_missing {
                return Vec::new();
            }
            let message = format!("no project in `{}`", self.options.directory.display());
            let hint = "a project has a file `reconcile.yaml` or a folder `schema`; `reconcile init` creates one";
            self.problems.push(Problem::nowhere(message).hint(hint));
            return Vec::new();
        }
        let project = self.files.files.first().map(|file| file.path.clone());
        let Discovered { files, problems, unmatched } = discover(base, &includes, project.as_deref());
        let place = |include: usize| at.as_ref().filter(|_| given).map(|at| at.item(include));
        for problem in problems {
            let located = match place(problem.include) {
                Some(at) => Problem::new(&at, problem.message),
                None => Problem::nowhere(problem.message),
            };
            self.problems.push(Problem { hint: problem.hint, ..located });
        }
        for at in unmatched.into_iter().filter_map(place) {
            self.warnings.push(Problem::new(&at, "no file matches this pattern"));
        }
        files
    }

    /// Reads and parses files, on several threads if there is much text.
    fn read(&mut self, paths: Vec<PathBuf>) -> Vec<(FileId, Parsed)> {
        let texts: Vec<_> = paths.iter().map(|path| read_text(path)).collect();
        let before = self.files.files.len();
        let mut sound = Vec::new();
        for (path, text) in paths.into_iter().zip(texts) {
            let is_sound = text.is_ok();
            let id = self.add(path, text);
            if is_sound {
                sound.push(id);
            }
        }
        let bytes: usize = self.files.files[before..].iter().map(|file| file.text.len()).sum();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(1 + bytes / THREAD_BYTES);
        let files = &self.files;
        let parse_all = |ids: Vec<FileId>| -> Vec<(FileId, Parsed)> {
            ids.into_iter()
                .map(|id| (id, files.get(id).map(|file| parse(&file.text, id, None)).unwrap_or_default()))
                .collect()
        };
        if threads == 1 {
            return parse_all(sound);
        }
        let mut parsed: Vec<_> = thread::scope(|scope| {
            let started: Vec<_> =
                self.shares(&sound, threads).into_iter().map(|share| scope.spawn(move || parse_all(share))).collect();
            started
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        parsed.sort_by_key(|(id, _)| *id);
        parsed
    }

    /// Divides the files so that all threads get about the same amount of text.
    fn shares(&self, files: &[FileId], threads: usize) -> Vec<Vec<FileId>> {
        let mut shares = vec![(0, Vec::new()); threads];
        for id in files {
            if let Some(smallest) = shares.iter_mut().min_by_key(|(bytes, _)| *bytes) {
                smallest.0 += self.files.get(*id).map_or(0, |file| file.text.len());
                smallest.1.push(*id);
            }
        }
        shares.into_iter().map(|(_, ids)| ids).collect()
    }

    fn add(&mut self, path: PathBuf, text: Result<String, Unreadable>) -> FileId {
        let name = shown(&path);
        let (text, unreadable) = match text {
            Ok(text) => (text, None),
            Err(unreadable) => (unreadable.text.clone(), Some(unreadable)),
        };
        let id = self.files.add(File::new(name.clone(), path, text));
        if let Some(unreadable) = unreadable {
            let problem = Problem::new(&Source::file(id), format!("`{name}` {}", unreadable.message));
            self.problems.push(problem.on_text(unreadable.offset));
        }
        id
    }

    /// Adds the materialized views of a file, and reads the files with their queries.
    fn add_matviews(&mut self, id: FileId, views: Entries<ViewSpec>, declarations: &mut Declarations) {
        let folder = self.files.get(id).and_then(|file| file.path.parent()).map(Path::to_path_buf).unwrap_or_default();
        let mut read = |path: PathBuf, at: &Source| match read_text(&path) {
            Ok(text) => QueryFile { read: Some((self.add(path, Ok(text.clone())), text)) },
            Err(unreadable) if unreadable.text.is_empty() => {
                let message = format!("`{}` {}", shown(&path), unreadable.message);
                self.problems.push(Problem::new(at, message));
                QueryFile { read: None }
            }
            Err(unreadable) => {
                self.add(path, Err(unreadable));
                QueryFile { read: None }
            }
        };
        declarations.add_matviews(id, &folder, views, &mut read);
    }

    fn finish(mut self, base: PathBuf, parsed: Vec<(FileId, Parsed)>) -> Result<Project, Problems> {
        let mut sections = Sections::default();
        let mut declarations = Declarations::default();
        let mut urls = Vec::new();
        let project = self.project_file().is_some();
        for (position, (id, mut parsed)) in parsed.into_iter().enumerate() {
            self.problems.append(&mut parsed.problems);
            urls.append(&mut parsed.urls);
            let root = Source::file(id);
            if parsed.spec.include.is_some() && !(project && position == 0) {
                let problem = Problem::new(&root.key("include"), "only the project file can have `include`").on_key();
                self.problems.push(problem);
            }
            sections.add(&root, &mut parsed.spec);
            if let Some(tables) = parsed.spec.tables {
                declarations.add_tables(id, tables);
            }
            if let Some(views) = parsed.spec.materialized_views {
                self.add_matviews(id, views, &mut declarations);
            }
            if let Some(rules) = parsed.spec.retention {
                declarations.add_rules(id, rules);
            }
        }
        let structure_is_sound = self.problems.is_empty();
        let (mut settings, mut problems) = sections.finish(self.options.target.as_deref());
        settings.leave_out_urls(urls);
        // A broken section was left out. That its targets are missing is not a separate mistake.
        problems.retain(|problem| structure_is_sound || problem.at.is_some());
        self.problems.append(&mut problems);
        let (desired, mut problems) = declarations.finish(settings.scheduler);
        self.problems.append(&mut problems);
        let mut project = Project { root: base, files: self.files, settings, desired, warnings: self.warnings };
        if self.problems.is_empty() {
            return Ok(project);
        }
        let files = std::mem::take(&mut project.files);
        let warnings = std::mem::take(&mut project.warnings);
        Err(Problems { warnings, intact: Some(Box::new(project)), ..Problems::new(files, self.problems) })
    }
}

/// A path, as the user would type it.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Why a file's text cannot be read.
struct Unreadable {
    message: String,
    /// The part of the text that can be shown. `offset` is the place of the mistake in it.
    text: String,
    offset: usize,
}

impl Unreadable {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), text: String::new(), offset: 0 }
    }
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let cannot = |error: std::io::Error| Unreadable::new(format!("cannot be read: {}", reason(&error)));
    let found = fs::metadata(path).map_err(cannot)?;
    if found.is_dir() {
        return Err(Unreadable::new("is a folder, not a file"));
    }
    // Opening a pipe would wait for somebody to write into it.
    if !found.is_file() {
        return Err(Unreadable::new("is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len().min(MAX_FILE_BYTES)).unwrap_or_default() + 1);
    let mut file = fs::File::open(path).map_err(cannot)?.take(MAX_FILE_BYTES + 1);
    file.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Unreadable::new("is larger than 64 MiB"));
    }
    // Editors on Windows write a byte order mark first. It is not part of the text.
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    String::from_utf8(bytes).map_err(|error| Unreadable {
        message: "is not valid UTF-8".to_owned(),
        offset: error.utf8_error().valid_up_to(),
        text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
