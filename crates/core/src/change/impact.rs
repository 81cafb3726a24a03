//! The size of a change: its relation, and the rows that it would delete.

use serde::{Deserialize, Serialize};

use crate::postgres::name::QualifiedName;

/// The size of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// The relation of the object, to estimate the cost.
    pub relation: RelationSize,
    /// The rows that it would delete; `None` if it deletes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

/// The size of a relation: current bytes, and rows as of its last VACUUM or ANALYZE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationSize {
    /// The relation.
    pub name: QualifiedName,
    /// Bytes of its main fork, including its partitions.
    pub bytes: u64,
    /// An estimate of its rows; `None` if it was never analysed.
    pub rows: Option<u64>,
}

/// How many rows have expired: as the planner estimates from its statistics, or counted if it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows that would be deleted now; `None`: there are no statistics, and a count took too long.
    pub rows: Option<u64>,
    /// The rows were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
    /// Their size in bytes, by the average width of a row; `None` if no statistics tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Rows that the previous rule would delete now; `None` if there is no previous rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// The least number of batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<u64>,
    /// The oldest row, if an index can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

impl Impact {
    /// For a relation that has no size yet, or whose size does not matter.
    #[must_use]
    pub fn unknown(relation: &QualifiedName) -> Self {
        Self::of(relation, 0, None)
    }

    /// For a relation of this size.
    #[must_use]
    pub fn of(relation: &QualifiedName, bytes: u64, rows: Option<u64>) -> Self {
        Self { relation: RelationSize { name: relation.clone(), bytes, rows }, estimate: None }
    }
}
