//! How an object is shown to people.

use crate::change::Action;

/// An object of a kind, declared or live, as plans show it.
pub trait Describe: Sized {
    /// Its definition in several lines, for comparison.
    fn lines(&self) -> String;

    /// The same object, with what it does not declare as it was `before`.
    #[must_use]
    fn over(self, _before: &Self) -> Self {
        self
    }

    /// Whether a plan shows the lines of a new object, because no statement shows its definition.
    fn is_shown_when_new(&self) -> bool {
        false
    }

    /// Whether the duration of a change depends on the size of the relation.
    fn depends_on_size(&self, _action: Action) -> bool {
        true
    }

    /// What its statements do not say, on one line.
    fn beyond_statements(&self) -> Option<String> {
        None
    }
}
