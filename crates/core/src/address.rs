//! The names of declared and managed objects in plans, flags and the registry: `KIND/SCHEMA.NAME`. Some kinds have a
//! task before the name or a part after it. `kinds` has the list of kinds.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::postgres::name::{Ident, NameError, QualifiedName, split_parts};

/// The name of a kind, with which its addresses begin. The registry may hold names that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName(Cow<'static, str>);

/// The address of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    kind: KindName,
    task: Option<Box<str>>,
    relation: QualifiedName,
    part: Option<Ident>,
}

/// The form of an address after the name of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `schema.name`
    Relation,
    /// `schema.table/name`: an object that belongs to a relation.
    Part,
    /// `task:schema.name`, with one of these tasks.
    Task(&'static [&'static str]),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The part before the first slash does not name a kind.
    #[error("`{0}` starts with no kind of object; an address looks like `index/schema.table/name`")]
    Kind(String),
    /// The rest does not have the form of the kind's addresses.
    #[error("`{address}` does not look like {examples}")]
    Shape {
        /// The address as written.
        address: String,
        /// Examples of valid addresses.
        examples: String,
    },
    /// A part is not a name.
    #[error("in address `{address}`: {error}")]
    Name {
        /// The address as written.
        address: String,
        /// What is wrong with the part.
        error: NameError,
    },
}

impl KindName {
    /// The name of a kind that this version knows.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name, as addresses have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Address {
    /// The address of a relation, or of an object that a relation has only one of.
    #[must_use]
    pub fn new(kind: KindName, relation: &QualifiedName) -> Self {
        Self { kind, task: None, relation: relation.clone(), part: None }
    }

    /// The address of an object that belongs to a relation.
    #[must_use]
    pub fn of_part(kind: KindName, relation: &QualifiedName, part: &Ident) -> Self {
        Self { part: Some(part.clone()), ..Self::new(kind, relation) }
    }

    /// The address of an object that does a task for a relation.
    #[must_use]
    pub fn of_task(kind: KindName, task: &str, relation: &QualifiedName) -> Self {
        Self { task: Some(task.into()), ..Self::new(kind, relation) }
    }

    /// Reads the rest of an address. `examples` is called only if the form is wrong, since a registry has tens of
    /// thousands of addresses.
    ///
    /// # Errors
    /// The text does not have the form, or a part of it is not a name.
    pub fn read(kind: KindName, shape: Shape, text: &str, examples: impl Fn() -> String) -> Result<Self, AddressError> {
        let rest = text.split_once('/').map_or("", |(_, rest)| rest);
        let name_error = |error| AddressError::Name { address: text.to_owned(), error };
        let misshapen = || AddressError::Shape { address: text.to_owned(), examples: examples() };
        let relation = |name: &str| QualifiedName::parse(name).map_err(name_error);
        match (shape, split_slashes(rest).as_slice()) {
            (Shape::Relation, [name]) => Ok(Self::new(kind, &relation(name)?)),
            (Shape::Part, [table, name]) => {
                // A bare name is exact, including its dots; only a quoted name is unquoted.
                let part = if name.starts_with('"') {
                    split_parts(name).map_err(name_error)?.remove(0)
                } else {
                    Ident::new(*name).map_err(name_error)?
                };
                Ok(Self { part: Some(part), ..Self::new(kind, &relation(table)?) })
            }
            (Shape::Task(tasks), [job]) => match job.split_once(':') {
                Some((task, name)) if tasks.contains(&task) => Ok(Self::of_task(kind, task, &relation(name)?)),
                Some(_) | None => Err(misshapen()),
            },
            (Shape::Relation | Shape::Part | Shape::Task(_), _) => Err(misshapen()),
        }
    }

    /// The address of a kind that this version does not know. It is only printed again.
    #[must_use]
    pub fn unknown(text: &str) -> Self {
        let (kind, rest) = text.split_once('/').unwrap_or((text, text));
        let verbatim = || QualifiedName::new(Ident::generated(rest, &rest), Ident::generated(rest, &rest));
        Self {
            kind: KindName(Cow::Owned(kind.to_owned())),
            task: None,
            relation: QualifiedName::parse(rest).unwrap_or_else(|_| verbatim()),
            part: None,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &KindName {
        &self.kind
    }

    /// The relation that the object is, or that it belongs to.
    #[must_use]
    pub fn relation(&self) -> &QualifiedName {
        &self.relation
    }

    /// The part of the relation that the object is; `None` if the object is not a part.
    #[must_use]
    pub fn part(&self) -> Option<&Ident> {
        self.part.as_ref()
    }

    /// The text after the kind: `schema.table/name`.
    #[must_use]
    pub fn rest(&self) -> String {
        let task = self.task.as_ref().map(|task| format!("{task}:")).unwrap_or_default();
        let part = self.part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        format!("{task}{}{part}", self.relation)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.rest())
    }
}

/// Splits at the slashes outside double quotes.
fn split_slashes(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == '/' && !quoted
    })
    .collect()
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}
