//! The tables of one rule: its own, the children, the archive, put together from the facts. Whether the rule may run on
//! them is in `preflight`.

use super::{
    Clock,
    batch::Link,
    catalog::{Column, Table},
};
use crate::postgres::name::{Ident, QualifiedName};

/// Everything that a run of a rule touches.
#[derive(Clone, Debug)]
pub struct RuleTables {
    /// The rule's table.
    pub table: Table,
    /// What its column tells.
    pub clock: Clock,
    /// The children, in the order of the rule, each with how it points at the table.
    pub children: Vec<(Table, Link)>,
    /// The archive, where it is a table.
    pub archive: Option<Table>,
}

impl Table {
    /// A table's archive as it will be when it is in step: `None`, where it is yet to be made.
    #[must_use]
    pub fn archived(&self, name: &QualifiedName, archive: Option<&Self>) -> Self {
        let plain = |column: &Column| Column { generated: false, ..column.clone() };
        let fresh = || Self { name: name.clone(), columns: Vec::new(), references: Vec::new(), ..self.clone() };
        let mut kept = archive.cloned().unwrap_or_else(fresh);
        let missing: Vec<_> =
            self.columns.iter().filter(|column| kept.column(&column.name).is_none()).map(plain).collect();
        kept.columns.extend(missing);
        kept
    }
}

impl RuleTables {
    /// The columns that move between the table and its archive: all of the one that they leave, but for those that the
    /// other computes by itself.
    #[must_use]
    pub fn moved(from: &Table, to: &Table) -> Vec<Ident> {
        let written = |column: &&Column| to.column(&column.name).is_some_and(|column| !column.generated);
        from.columns.iter().filter(written).map(|column| column.name.clone()).collect()
    }
}
