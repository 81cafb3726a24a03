//! A user's mistake: where it is, what is wrong, what to do. `config` and `cli` display it.

use serde::{Deserialize, Serialize};

use crate::source::Source;

/// One mistake. All mistakes of a run are collected and shown together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The node that is wrong; `None` if the mistake is not in a file.
    pub at: Option<Source>,
    /// Which part of the node to mark.
    pub mark: Mark,
    /// What is wrong, in lower case.
    pub message: String,
    /// What to do about it, as a hint.
    pub hint: Option<String>,
    /// Other places that the mistake involves, each with a label.
    pub related: Vec<(Source, String)>,
    /// The request is not a mistake, but it would harm objects that reconcile does not manage: people have to decide.
    pub refusal: bool,
}

/// The part of a YAML node that a problem marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// The value.
    Value,
    /// The key of the node.
    Key,
    /// The text of the scalar, from this byte on.
    Text(usize),
}

impl Problem {
    /// A problem with the value at `at`.
    #[must_use]
    pub fn new(at: &Source, message: impl Into<String>) -> Self {
        Self {
            at: Some(at.clone()),
            mark: Mark::Value,
            message: message.into(),
            hint: None,
            related: Vec::new(),
            refusal: false,
        }
    }

    /// A problem that is not in any file.
    #[must_use]
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self { at: None, mark: Mark::Value, message: message.into(), hint: None, related: Vec::new(), refusal: false }
    }

    /// The same problem without its place, for an object that no file declares.
    #[must_use]
    pub fn without_place(self) -> Self {
        Self { at: None, related: Vec::new(), ..self }
    }

    /// The same problem, as a refusal: people have to decide.
    #[must_use]
    pub fn refusal(self) -> Self {
        Self { refusal: true, ..self }
    }

    /// Marks the key instead of the value.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.mark = Mark::Key;
        self
    }

    /// Marks the text of the scalar from byte `offset` on.
    #[must_use]
    pub fn on_text(mut self, offset: usize) -> Self {
        self.mark = Mark::Text(offset);
        self
    }

    /// Adds the hint that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the hint `did you mean` if one of `known` is close to `written`.
    #[must_use]
    pub fn did_you_mean<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match closest(written, known) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Adds another place that the mistake involves.
    #[must_use]
    pub fn related(mut self, at: &Source, what: impl Into<String>) -> Self {
        self.related.push((at.clone(), what.into()));
        self
    }
}

/// The known name that is closest to the written one; `None` if none is close.
#[must_use]
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        // If exactly that name exists, the mistake has another reason.
        .filter(|name| *name != written)
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
