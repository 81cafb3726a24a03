//! The live side: the rules in force, and what is known of the tables that rules touch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Rule, catalog::Table};
use crate::{change::Estimate, postgres::name::QualifiedName};

/// All that is known of retention rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The rules in force, by their tables.
    pub in_force: BTreeMap<QualifiedName, Rule>,
    /// Their tables, the children of those, and their archives.
    pub tables: BTreeMap<QualifiedName, Table>,
    /// Of the rules that are not in force as declared, by their tables.
    pub estimates: BTreeMap<QualifiedName, Estimate>,
}
