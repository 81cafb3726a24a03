//! How a run ends, as a whole.

/// How a run ended, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunOutcome {
    /// A rule cannot run, or the server refused a statement.
    Failed,
    /// It ended early; the next run goes on.
    Incomplete,
    /// What a run did could not be believed, so nothing was begun.
    Unsafe,
    /// More rows than a rule's limits allow.
    OverLimits,
    /// Another run of the same rule is at work.
    Overlap,
    /// All is done.
    Done,
}
