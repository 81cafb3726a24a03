//! Routines in reconcile's own schema: those of one object, and those that all objects of a kind share. The shared ones
//! are created together with the registry's tables. The kinds say what their routines do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    name::{Ident, QualifiedName},
    sql::Sql,
};

/// How often a statement that did not get its lock is tried again, unless the client says otherwise.
pub(crate) const RETRIES: u32 = 10;

/// The type of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It returns a result.
    #[serde(rename = "f")]
    Function,
    /// It does work and may commit.
    #[serde(rename = "p")]
    Procedure,
}

/// A routine that all objects of a kind share: its name and type.
pub type SharedRoutine = (&'static str, Kind);

/// A routine as declared.
#[derive(Clone, Debug)]
pub struct Routine {
    pub(crate) name: QualifiedName,
    pub(crate) kind: Kind,
    pub(crate) head: Sql,
    pub(crate) body: Sql,
}

/// A routine that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its type.
    pub kind: Kind,
    /// Its body (`pg_proc.prosrc`), unchanged.
    pub body: String,
    /// Whether this role owns it.
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

/// The name of the routine that does a task for a relation.
pub(crate) fn name_of(task: &str, relation: &QualifiedName, registry: &Ident) -> QualifiedName {
    let text = format!("{task}:{relation}");
    QualifiedName::new(registry.clone(), Ident::generated(&text, &text))
}

/// The name that earlier versions gave the routine, if it was too long. The server cut it, so that several relations
/// could share it.
pub(crate) fn former_name(task: &str, relation: &QualifiedName, registry: &Ident) -> Option<QualifiedName> {
    Ident::cut(&format!("{task}:{relation}")).map(|name| QualifiedName::new(registry.clone(), name))
}

/// The statement that creates a shared routine. `head` holds its arguments and attributes.
pub(crate) fn create((name, kind): SharedRoutine, registry: &Ident, head: &Sql, body: &Sql) -> Sql {
    let sql = Sql::new("CREATE OR REPLACE ").raw(kind.word()).ident(registry).raw(".").raw(name).raw_sql(head);
    sql.raw(" AS ").body(body)
}

/// The statement that drops a routine.
#[must_use]
pub fn drop(name: &QualifiedName, kind: Kind) -> Sql {
    Sql::new("DROP ").raw(kind.word()).name(name)
}

/// The search path, as an argument.
pub(crate) fn path(search_path: &[Ident]) -> Sql {
    Sql::default().literal(Sql::default().search_path(search_path).as_str())
}

/// The lock timeout, as an argument.
pub(crate) fn patience(lock_timeout: Duration) -> Sql {
    Sql::default().literal(&format!("{}ms", lock_timeout.as_millis()))
}

/// A list of texts as an argument.
pub(crate) fn texts(items: impl IntoIterator<Item = String>) -> Sql {
    let list = Sql::new("ARRAY[").list(items, ", ", |sql, item| sql.literal(&item));
    list.raw("]::text[]")
}

/// A call with named arguments, one on each line.
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

    /// Whether the routine exists as declared.
    #[must_use]
    pub fn is(&self, found: Option<&Found>) -> bool {
        // The server keeps the line break after the opening quote.
        found.is_some_and(|found| found.kind == self.kind && found.body.trim_start_matches('\n') == self.body.as_str())
    }

    /// The statement that creates or replaces it.
    #[must_use]
    pub fn create(&self) -> Sql {
        let sql = Sql::new("CREATE OR REPLACE ").raw(self.kind.word()).name(&self.name).raw_sql(&self.head);
        sql.raw(" AS ").body(&self.body)
    }

    /// The statement that drops it.
    #[must_use]
    pub fn drop(&self) -> Sql {
        drop(&self.name, self.kind)
    }
}
