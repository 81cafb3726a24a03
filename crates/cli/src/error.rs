//! How a command can end: the exit codes of the specification, and the message for each.

use std::process::ExitCode;

use reconcile_apply::{advisory_lock::Holder, preflight::PreflightError, sqlstate};
use reconcile_config::Problems;
use reconcile_live::LiveError;

/// The exit codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Error = 1,
    Changes = 2,
    Stale = 3,
    ApprovalNeeded = 4,
    Incomplete = 5,
    Locked = 6,
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Mistakes in the files.
    Problems(Box<Problems>),
    /// All other failures: a message, and a hint that says what to do.
    Said { exit: Exit, message: String, hint: Option<String> },
}

impl Failure {
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Error, message: message.into(), hint: None }
    }

    pub(crate) fn said(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self::Said { exit, message: message.into(), hint }
    }

    pub(crate) fn locked(holder: &Holder) -> Self {
        let name = if holder.application.is_empty() { "an unnamed program" } else { &holder.application };
        let since = holder.since.as_deref().unwrap_or("an unknown time");
        let message = format!("another run holds the lock: process {} ({name}), connected since {since}", holder.pid);
        Self::said(Exit::Locked, message, "wait for it to end, or end it, and run this again")
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problems(problems) if problems.are_refusals() => Exit::ApprovalNeeded,
            Self::Problems(_) => Exit::Error,
            Self::Said { exit, .. } => *exit,
        }
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        let hint = match &error {
            LiveError::Url(_) => {
                Some("write postgres://user@host:5432/database or host=… dbname=…; see --database-url".to_owned())
            }
            LiveError::Connect { .. } => Some(
                "name the database with --database-url, DATABASE_URL, reconcile.yaml or the PG* variables".to_owned(),
            ),
            LiveError::Server(server) => server.hint.clone().or_else(|| not_allowed(&server.code)),
            LiveError::Held { .. } => Some("nothing was written; run this again once it is done".to_owned()),
            LiveError::Registry(_) => Some(
                "use the version of reconcile that wrote it, or remove the entry with `reconcile forget`".to_owned(),
            ),
            LiveError::Connection(_) | LiveError::Protocol(_) => None,
        };
        let exit = if matches!(error, LiveError::Held { .. }) { Exit::Incomplete } else { Exit::Error };
        Self::Said { exit, message: error.to_string(), hint }
    }
}

/// The privileges that a role needs, for the error that it lacks one.
fn not_allowed(code: &str) -> Option<String> {
    let hint = "`history` needs SELECT on the tables of reconcile's schema; commands that write need a role that owns them \
                and the tables whose indexes change";
    (code == sqlstate::INSUFFICIENT_PRIVILEGE).then(|| hint.to_owned())
}

impl From<PreflightError> for Failure {
    fn from(error: PreflightError) -> Self {
        let (message, hint) = (error.to_string(), error.hint().unwrap_or_default());
        match error {
            PreflightError::Live(error) => error.into(),
            PreflightError::ReadOnly(_) | PreflightError::Pooler => Self::said(Exit::Stale, message, hint),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Problems(Box::new(problems))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::other(error.to_string())
    }
}
