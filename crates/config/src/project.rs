//! What loading a project comes to: the project, or all that is wrong in its files.

use std::{fmt, path::PathBuf};

use reconcile_core::{kinds::Desired, problem::Problem};

use crate::{files::Files, settings::Settings};

/// A project that was loaded.
#[derive(Debug)]
pub struct Project {
    /// The folder of the project file; without one, the folder that was read.
    pub root: PathBuf,
    /// The files that were read, to show later problems in.
    pub files: Files,
    /// How reconcile works in this project.
    pub settings: Settings,
    /// What the files declare.
    pub desired: Desired,
    /// What is odd, but in nobody's way.
    pub warnings: Vec<Problem>,
}

/// All that is wrong in a project, in the order of files and lines.
#[derive(Debug)]
pub struct Problems {
    /// The files that were read.
    pub files: Files,
    /// What stands in the way of loading; never empty.
    pub problems: Vec<Problem>,
    /// What does not.
    pub warnings: Vec<Problem>,
    /// What of the project is intact, without files: never to be acted on, but it may have mistakes of other sorts.
    pub intact: Option<Box<Project>>,
}

impl Problems {
    /// Brings mistakes into the order of files and lines.
    #[must_use]
    pub fn new(files: Files, problems: Vec<Problem>) -> Self {
        let problems = in_order(&files, problems);
        Self { files, problems, warnings: Vec::new(), intact: None }
    }

    /// Whether nothing is wrong with the files, and people have to decide whether what they ask for may be done.
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

/// Problems by file and place; what aliases repeat is said once.
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
