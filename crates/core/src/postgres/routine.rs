//! Routines in reconcile's own schema: what a rule or a chain of views has there, and what all of them share, which is
//! made with the registry's tables. What they do is left to the kinds.

use serde::{Deserialize, Serialize};

use crate::{
    kinds::{matview, retention},
    plan::{SessionSettings, Step, TimeLimits},
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};

/// How often something is tried again that got no lock, where no client says so.
pub(crate) const RETRIES: u32 = 10;

/// What kind of routine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It answers.
    #[serde(rename = "f")]
    Function,
    /// It works.
    #[serde(rename = "p")]
    Procedure,
}

/// A routine as it should be.
#[derive(Clone, Debug)]
pub struct Routine {
    pub(crate) name: QualifiedName,
    pub(crate) kind: Kind,
    pub(crate) head: Sql,
    pub(crate) body: Sql,
}

/// A routine that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// `pg_proc.prosrc`: as it was written.
    pub body: String,
    /// It is this role's.
    pub own: bool,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Function => "FUNCTION ",
            Self::Procedure => "PROCEDURE ",
        }
    }
}

/// The names of what is shared.
pub fn shared_names() -> impl Iterator<Item = &'static str> {
    let all = retention::routine::SHARED.into_iter().chain(matview::routine::SHARED);
    all.map(|(name, _)| name)
}

/// The statements that make what is shared.
#[must_use]
pub fn shared(registry: &Ident) -> Vec<Sql> {
    matview::routine::shared(registry).into_iter().chain(retention::routine::shared(registry)).collect()
}

/// The statement that makes a shared routine of some arguments.
pub(crate) fn create((name, kind): (&'static str, Kind), registry: &Ident, head: &Sql, body: &Sql) -> Sql {
    let sql = Sql::new("CREATE OR REPLACE ").raw(kind.word()).ident(registry).raw(".").raw(name).raw_sql(head);
    sql.raw(" AS ").body(body)
}

/// The statement that takes a routine away.
#[must_use]
pub fn drop(name: &QualifiedName, kind: Kind) -> Sql {
    Sql::new("DROP ").raw(kind.word()).name(name)
}

/// Where names are looked up, as an argument.
pub(crate) fn path(session: &SessionSettings) -> Sql {
    Sql::default().literal(Sql::default().search_path(&session.search_path).as_str())
}

/// How long a lock is waited for, as an argument.
pub(crate) fn patience(limits: TimeLimits) -> Sql {
    Sql::default().literal(&format!("{}ms", limits.lock_timeout.as_millis()))
}

/// A list of texts, as an argument.
pub(crate) fn texts(items: impl IntoIterator<Item = String>) -> Sql {
    let list = Sql::new("ARRAY[").list(items, ", ", |sql, item| sql.literal(&item));
    list.raw("]::text[]")
}

/// A call by the names of the arguments, one on each line.
pub(crate) fn call(
    routine: &'static str,
    registry: &Ident,
    arguments: impl IntoIterator<Item = (&'static str, Sql)>,
) -> Sql {
    let sql = Sql::new("  CALL ").ident(registry).raw(".").raw(routine).raw("(\n");
    let argument = |sql: Sql, (name, value): (&'static str, Sql)| sql.raw("    ").raw(name).raw(" => ").raw_sql(&value);
    sql.list(arguments, ",\n", argument).raw(");\n")
}

impl Routine {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &QualifiedName {
        &self.name
    }

    /// Whether it is there, as it should be.
    #[must_use]
    pub fn is(&self, found: Option<&Found>) -> bool {
        // The server keeps the line break after the opening quotes.
        found.is_some_and(|found| found.kind == self.kind && found.body.trim_start_matches('\n') == self.body.as_str())
    }

    /// What makes it so.
    #[must_use]
    pub fn step(&self, limits: TimeLimits) -> Step {
        let sql = Sql::new("CREATE OR REPLACE ").raw(self.kind.word()).name(&self.name).raw_sql(&self.head);
        Step { undo: Some(drop(&self.name, self.kind)), ..Step::brief(sql.raw(" AS ").body(&self.body), None, limits) }
    }
}
