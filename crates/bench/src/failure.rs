//! Why the benchmark could not run, and what to do about it.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::Path;

use reconcile_scratch::ScratchError;

/// A reason, and a hint apart.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// For `map_err`: an operating system's refusal, located.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::new(format!("{}: cannot {action}: {error}", path.display()))
    }
}

impl From<ScratchError> for Failure {
    fn from(error: ScratchError) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| writeln!(f, "hint: {hint}"))
    }
}
