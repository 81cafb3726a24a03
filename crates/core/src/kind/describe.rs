//! What one object tells people.

use crate::change::Action;

/// One object of a kind, declared or live, as plans show it.
pub trait Describe: Sized {
    /// Its definition over several lines, for people to compare.
    fn lines(&self) -> String;

    /// The same, with what it does not declare left as it was `before`.
    #[must_use]
    fn over(self, _before: &Self) -> Self {
        self
    }

    /// Whether a plan shows the lines of a new one: no statement that makes it says what it means.
    fn is_shown_when_new(&self) -> bool {
        false
    }

    /// Whether the size of its relation tells how much a change of it takes.
    fn depends_on_size(&self, _action: Action) -> bool {
        true
    }

    /// What no statement that makes it says, on one line.
    fn beyond_statements(&self) -> Option<String> {
        None
    }
}
