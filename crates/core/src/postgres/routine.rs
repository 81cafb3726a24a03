//! Routines in reconcile's own schema: those of one object, and those that all objects of a kind share, which are made with
//! the registry's tables. What they do is left to the kinds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    name::{Ident, QualifiedName},
    sql::Sql,
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

/// A routine that all objects of a kind share, by name and kind of routine.
pub type SharedRoutine = (&'static str, Kind);

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

/// The statement that makes a shared routine of some arguments.
pub(crate) fn create((name, kind): SharedRoutine, registry: &Ident, head: &Sql, body: &Sql) -> Sql {
    let sql = Sql::new("CREATE OR REPLACE ").raw(kind.word()).ident(registry).raw(".").raw(name).raw_sql(head);
    sql.raw(" AS ").body(body)
}

/// The statement that takes a routine away.
#[must_use]
pub fn drop(name: &QualifiedName, kind: Kind) -> Sql {
    Sql::new("DROP ").raw(kind.word()).name(name)
}

/// Where names are looked up, as an argument.
pub(crate) fn path(search_path: &[Ident]) -> Sql {
    Sql::default().literal(Sql::default().search_path(search_path).as_str())
}

/// How long a lock is waited for, as an argument.
pub(crate) fn patience(lock_timeout: Duration) -> Sql {
    Sql::default().literal(&format!("{}ms", lock_timeout.as_millis()))
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

    /// The statement that makes it so.
    #[must_use]
    pub fn create(&self) -> Sql {
        let sql = Sql::new("CREATE OR REPLACE ").raw(self.kind.word()).name(&self.name).raw_sql(&self.head);
        sql.raw(" AS ").body(&self.body)
    }

    /// The statement that takes it away.
    #[must_use]
    pub fn drop(&self) -> Sql {
        drop(&self.name, self.kind)
    }
}
