//! How much a change is about: what carries it, and the rows that it lets go.

use serde::{Deserialize, Serialize};

use crate::postgres::name::QualifiedName;

/// How much a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// What carries the object, to judge the cost by.
    pub relation: RelationSize,
    /// Rows that it would let go; `None`: it lets none go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

/// How big a relation is: the bytes of now, the rows as of its last VACUUM or ANALYZE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationSize {
    /// The relation.
    pub name: QualifiedName,
    /// Bytes of its main fork, partitions included.
    pub bytes: u64,
    /// Rows; `None` where nothing was ever analysed.
    pub rows: Option<u64>,
}

/// How many rows are past their time, as the planner estimates it from its statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows that would go now.
    pub rows: u64,
    /// Bytes of them, by the average width of a row.
    pub bytes: u64,
    /// Rows that the rule in force would let go now; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Batches that it takes, at least.
    pub batches: u64,
    /// The oldest row, where an index tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

impl Impact {
    /// Of what has no size yet, or none that matters.
    #[must_use]
    pub fn unknown(relation: &QualifiedName) -> Self {
        Self::of(relation, 0, None)
    }

    /// Of a relation of this size.
    #[must_use]
    pub fn of(relation: &QualifiedName, bytes: u64, rows: Option<u64>) -> Self {
        Self { relation: RelationSize { name: relation.clone(), bytes, rows }, estimate: None }
    }
}
