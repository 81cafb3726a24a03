//! Declared views that cannot be made yet: their queries read a relation that does not exist. A migration may make it
//! over views that this plan creates, so these are planned, and those that wait are left out.

use serde::{Deserialize, Serialize};

use super::{Matview, address, print::described};
use crate::{
    change::Note,
    declared::Declared,
    postgres::{batch::ServerError, name::QualifiedName},
    problem::Problem,
};

/// The SQLSTATE of a query that reads a relation that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// A view that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The view.
    pub view: QualifiedName,
    /// What does not exist, as the server says it.
    pub lacks: String,
    /// The mistake that it is if nothing can be planned before it.
    pub problem: Problem,
}

/// What the server rejects.
#[derive(Debug, Default)]
pub struct Rejected {
    /// The mistakes.
    pub problems: Vec<Problem>,
    /// The views whose queries read a relation that does not exist.
    pub waiting: Vec<Waiting>,
}

impl Rejected {
    /// Adds a declared query that the server rejects.
    pub(super) fn query(&mut self, declared: &Declared<Matview>, error: &ServerError, offset: Option<usize>) {
        let problem = described(declared, error, offset);
        if error.code == UNDEFINED_TABLE {
            let (view, lacks) = (declared.object.name.clone(), error.message.clone());
            self.waiting.push(Waiting { view, lacks, problem });
        } else {
            self.problems.push(problem);
        }
    }
}

impl From<Problem> for Rejected {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], waiting: Vec::new() }
    }
}

/// Notes on the views that a plan leaves out.
pub(crate) fn notes(waiting: &[Waiting]) -> impl Iterator<Item = Note> {
    let is_one = |lacks: &str| {
        let names = |name: &QualifiedName| {
            [format!("\"{}\"", name.name.as_str()), format!("\"{}.{}\"", name.schema.as_str(), name.name.as_str())]
        };
        waiting.iter().any(|other| names(&other.view).iter().any(|name| lacks.contains(name)))
    };
    waiting.iter().map(move |one| {
        let what = if is_one(&one.lacks) {
            "it is left out as well"
        } else {
            "if a migration makes it over what this plan makes, apply, run the migration, and plan again"
        };
        Note { left_out: true, ..Note::new(address(&one.view), format!("left out: {}; {what}", one.lacks)) }
    })
}
