//! The live side: the relations with the names of views, and the server's interpretation of the declared ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Matview,
    basis::Basis,
    canonical::Printed,
    catalog::{Found, Roles},
    dependents::Dependent,
    group::Moving,
};
use crate::postgres::name::QualifiedName;

/// Everything that is known about materialized views on the live side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The relations with the names of declared and managed views, and what interrupted runs left.
    pub found: BTreeMap<QualifiedName, Found>,
    /// What the declared queries of views that stand rely on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<QualifiedName, Basis>,
    /// The managed views, as they were applied.
    pub applied: BTreeMap<QualifiedName, Matview>,
    /// The server's interpretation of declared views, if it had to be asked.
    pub printed: BTreeMap<QualifiedName, Printed>,
    /// Declared views that the server cannot interpret yet: they read others as these will be.
    pub postponed: BTreeSet<QualifiedName>,
    /// What depends on the views that are rebuilt.
    pub dependents: Vec<Dependent>,
    /// The views that are created or rebuilt.
    #[serde(default)]
    pub moving: Vec<Moving>,
    /// The server's interpretation of copies of those views and of the views over them, by the names of the originals.
    pub rehearsed: BTreeMap<QualifiedName, Printed>,
    /// The server could not be asked, because this role may not create temporary views here.
    pub unasked: bool,
    /// The roles; they are read only if rights are declared.
    pub roles: Roles,
}
