//! How a declared or managed object is called in plans, flags and the registry.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    kinds::schedule::{Task, job_name},
    postgres::name::{Ident, NameError, QualifiedName, split_parts},
};

/// The address of one object. A new kind adds a variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `index/inventory.stock/idx_stock_status`
    Index {
        /// The relation that carries the index.
        table: QualifiedName,
        /// The index, in the schema of its table.
        name: Ident,
    },
    /// `matview/analytics.daily_sales_summary`
    Matview {
        /// The materialized view.
        name: QualifiedName,
    },
    /// `retention/logging.system_logs`
    Retention {
        /// The table whose rows the rule is about.
        table: QualifiedName,
    },
    /// `schedule/retain:logging.system_logs`
    Schedule {
        /// What the job does.
        task: Task,
        /// To which table.
        table: QualifiedName,
    },
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The part before the first slash names no kind.
    #[error("`{0}` starts with no kind of object; an address looks like `index/schema.table/name`")]
    Kind(String),
    /// The number of parts does not fit the kind.
    #[error(
        "`{0}` does not look like `index/schema.table/name`, `matview/schema.view`, `retention/schema.table` or \
         `schedule/retain:schema.table`"
    )]
    Shape(String),
    /// A part is no name.
    #[error("in address `{address}`: {error}")]
    Name {
        /// The address as written.
        address: String,
        /// What is wrong with the part.
        error: NameError,
    },
}

impl Address {
    /// The address of an index.
    #[must_use]
    pub fn index(table: &QualifiedName, name: &Ident) -> Self {
        Self::Index { table: table.clone(), name: name.clone() }
    }

    /// The address of a materialized view.
    #[must_use]
    pub fn matview(name: &QualifiedName) -> Self {
        Self::Matview { name: name.clone() }
    }

    /// The address of a retention rule.
    #[must_use]
    pub fn retention(table: &QualifiedName) -> Self {
        Self::Retention { table: table.clone() }
    }

    /// The relation that the object belongs to.
    #[must_use]
    pub fn table(&self) -> &QualifiedName {
        match self {
            Self::Index { table, .. }
            | Self::Matview { name: table }
            | Self::Retention { table }
            | Self::Schedule { table, .. } => table,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { table, name } => write!(f, "index/{table}/{name}"),
            Self::Matview { name } => write!(f, "matview/{name}"),
            Self::Retention { table } => write!(f, "retention/{table}"),
            Self::Schedule { task, table } => write!(f, "schedule/{}", job_name(*task, table)),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts = split_slashes(text);
        let name_error = |error| AddressError::Name { address: text.to_owned(), error };
        match parts.as_slice() {
            ["index", table, name] => {
                let table = QualifiedName::parse(table).map_err(name_error)?;
                // A bare index name is exact, dots and all; only a quoted one is unquoted.
                let name = if name.starts_with('"') {
                    split_parts(name).map_err(name_error)?.remove(0)
                } else {
                    Ident::new(*name).map_err(name_error)?
                };
                Ok(Self::Index { table, name })
            }
            ["matview", name] => Ok(Self::Matview { name: QualifiedName::parse(name).map_err(name_error)? }),
            ["retention", table] => Ok(Self::Retention { table: QualifiedName::parse(table).map_err(name_error)? }),
            ["schedule", job] => {
                let parsed = job.split_once(':').and_then(|(task, table)| Some((task.parse().ok()?, table)));
                let Some((task, table)) = parsed else { return Err(AddressError::Shape(text.to_owned())) };
                Ok(Self::Schedule { task, table: QualifiedName::parse(table).map_err(name_error)? })
            }
            ["index" | "matview" | "retention" | "schedule", ..] => Err(AddressError::Shape(text.to_owned())),
            _ => Err(AddressError::Kind(text.to_owned())),
        }
    }
}

/// The parts between slashes that stand outside double quotes.
fn split_slashes(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == '/' && !quoted
    })
    .collect()
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_printing_and_reading() {
        for (table, name) in [
            ("inventory.stock", "idx"),
            (r#""a.b"."c/d""#, "x/y"),
            ("A.b", "with \"quotes\" and.dots"),
            ("t", "new\nline"),
        ] {
            let address = Address::index(&QualifiedName::parse(table).unwrap(), &Ident::new(name).unwrap());
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
        let job = Address::Schedule { task: Task::Vacuum, table: QualifiedName::parse(r#""a.b"."c/d""#).unwrap() };
        assert_eq!(job.to_string().parse::<Address>().unwrap(), job);
        assert!(matches!("schedule/sweep:a.b".parse::<Address>(), Err(AddressError::Shape(_))));
        assert!(matches!("indx/a.b/c".parse::<Address>(), Err(AddressError::Kind(_))));
        assert!(matches!("index/a.b".parse::<Address>(), Err(AddressError::Shape(_))));
    }
}
