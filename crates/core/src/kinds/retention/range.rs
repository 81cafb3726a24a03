//! Where in a table a batch looks: a stretch of its heap, from a place in the order of its column, or rows by their
//! places.

use std::{fmt, str::FromStr};

use super::{Clock, CutOff, Rule};
use crate::postgres::sql::Sql;

/// The place of a row: block, and number within the block from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tid {
    /// From 0.
    pub block: u32,
    /// From 1; 0 stands before every row of the block.
    pub offset: u16,
}

/// Where a batch looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// From one place of the heap, up to but without another: a TID Range Scan, which needs no index.
    Heap {
        /// The first place.
        from: Tid,
        /// The place after the last.
        to: Tid,
    },
    /// From a value of the rule's column on, in its order, up to but without another: an index finds the next rows.
    Order {
        /// Where the last batch ended. `None`: from the start.
        from: Option<CutOff>,
        /// `None`: to the end.
        to: Option<CutOff>,
    },
    /// Rows by their places, as the server wrote their list: those that a transaction has locked.
    Places(String),
    /// As [`Range::Places`], from parameter 1.
    GivenPlaces,
    /// As [`Range::Heap`], from parameter 1 to parameter 2.
    GivenHeap,
    /// As [`Range::Order`], from parameter 1.
    GivenOrder {
        /// What the column tells.
        clock: Clock,
    },
}

impl Tid {
    /// Before every row of a block.
    #[must_use]
    pub fn start_of(block: u32) -> Self {
        Self { block, offset: 0 }
    }

    /// Right behind a row.
    #[must_use]
    pub fn behind(self) -> Self {
        Self { offset: self.offset.saturating_add(1), ..self }
    }

    fn literal(self) -> Sql {
        Sql::default().literal(&self.to_string())
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

impl FromStr for Tid {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (block, offset) = text.trim_matches(['(', ')']).split_once(',').unwrap_or((text, ""));
        Ok(Self { block: block.parse()?, offset: offset.parse()? })
    }
}

impl Range {
    /// ` AND …`, where the range limits anything.
    pub(super) fn condition(&self, rule: &Rule) -> Sql {
        let alias = &rule.table.name;
        let heap = |from: &Sql, to: &Sql| {
            let lower = Sql::new(" AND ").ident(alias).raw(".ctid >= ").raw_sql(from).raw("::tid");
            lower.raw(" AND ").ident(alias).raw(".ctid < ").raw_sql(to).raw("::tid")
        };
        let order = |sql: Sql, operator: &'static str, bound: &Sql| {
            sql.raw(" AND ").ident(alias).raw(".").ident(&rule.column).raw(operator).raw_sql(bound)
        };
        let places = |list: &Sql| Sql::new(" AND ").ident(alias).raw(".ctid = ANY (").raw_sql(list).raw("::tid[])");
        match self {
            Self::Places(list) => places(&Sql::default().literal(list)),
            Self::GivenPlaces => places(&Sql::default().parameter(1)),
            Self::Heap { from, to } => heap(&from.literal(), &to.literal()),
            Self::GivenHeap => heap(&Sql::default().parameter(1), &Sql::default().parameter(2)),
            Self::Order { from, to } => {
                let lower = from.iter().fold(Sql::default(), |sql, from| order(sql, " >= ", &from.literal()));
                to.iter().fold(lower, |sql, to| order(sql, " < ", &to.literal()))
            }
            Self::GivenOrder { clock } => order(Sql::default(), " >= ", &clock.parameter(1)),
        }
    }

    /// What the rows of a batch are ordered by, so that the last one tells where the batch ended.
    pub(super) fn key(&self, rule: &Rule) -> Sql {
        let alias = Sql::default().ident(&rule.table.name).raw(".");
        match self {
            Self::Heap { .. } | Self::GivenHeap | Self::Places(_) | Self::GivenPlaces => alias.raw("ctid"),
            Self::Order { .. } | Self::GivenOrder { .. } => alias.ident(&rule.column),
        }
    }
}
