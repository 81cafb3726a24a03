//! The result of loading a project: the project, or all mistakes in its files.

use std::{fmt, path::PathBuf};

use reconcile_core::{kinds::Desired, problem::Problem};

use crate::{files::Files, settings::Settings};

/// A project that was loaded.
#[derive(Debug)]
pub struct Project {
    /// The folder of the project file, or the folder that was read if there is no project file.
    pub root: PathBuf,
    /// The files that were read. Later problems are shown in them.
    pub files: Files,
    /// How reconcile works in this project.
    pub settings: Settings,
    /// What the files declare.
    pub desired: Desired,
    /// Mistakes that do not prevent loading.
    pub warnings: Vec<Problem>,
}

/// All mistakes in a project, in the order of files and lines.
#[derive(Debug)]
pub struct Problems {
    /// The files that were read.
    pub files: Files,
    /// Mistakes that prevent loading; never empty.
    pub problems: Vec<Problem>,
    /// Mistakes that do not prevent loading.
    pub warnings: Vec<Problem>,
    /// The valid part of the project, without files. It must not be applied, but further mistakes can be found in it.
    pub intact: Option<Box<Project>>,
}

impl Problems {
    /// Sorts mistakes by files and lines.
    #[must_use]
    pub fn new(files: Files, problems: Vec<Problem>) -> Self {
        let problems = in_order(&files, problems);
        Self { files, problems, warnings: Vec::new(), intact: None }
    }

    /// Whether the files have no mistakes, but ask for something that only people can decide.
    #[must_use]
    pub fn are_refusals(&self) -> bool {
        self.problems.iter().all(|problem| problem.refusal)
    }

    /// Adds mistakes that were found later.
    #[must_use]
    pub fn and(self, found: Vec<Problem>) -> Self {
        let problems = in_order(&self.files, self.problems.into_iter().chain(found).collect());
        Self { problems, ..self }
    }
}

/// Sorts problems by file and place. A problem that aliases repeat is kept once.
fn in_order(files: &Files, problems: Vec<Problem>) -> Vec<Problem> {
    let place = |problem: &Problem| problem.at.as_ref().map(|at| (at.file, files.offset(at, problem.mark)));
    let mut placed: Vec<_> = problems.into_iter().map(|problem| (place(&problem), problem)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.dedup_by(|(a, one), (b, other)| a.is_some() && a == b && one.message == other.message);
    placed.into_iter().map(|(_, problem)| problem).collect()
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files.render(&self.problems, false))
    }
}

impl std::error::Error for Problems {}
