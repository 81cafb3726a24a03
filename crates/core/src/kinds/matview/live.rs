//! The live side: what stands under the names of views, and what the server says about the declared ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Matview,
    canonical::Printed,
    catalog::{Found, Roles},
    dependents::Dependent,
    group::Moving,
};
use crate::postgres::name::QualifiedName;

/// All that is known of materialized views on the live side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// What stands under the names of declared and managed ones, and what interrupted runs left beside them.
    pub found: BTreeMap<QualifiedName, Found>,
    /// Those that are managed, as they were applied.
    pub applied: BTreeMap<QualifiedName, Matview>,
    /// What the server makes of the declared ones, where that is not known without asking.
    pub printed: BTreeMap<QualifiedName, Printed>,
    /// Declared ones whose query means nothing yet: it reads others as they will be.
    pub postponed: BTreeSet<QualifiedName>,
    /// What depends on those that are made anew.
    pub dependents: Vec<Dependent>,
    /// Those that are made anew or for the first time.
    #[serde(default)]
    pub moving: Vec<Moving>,
    /// What the server made of copies of those, and of the views over them, by the names of the originals.
    pub rehearsed: BTreeMap<QualifiedName, Printed>,
    /// The server could not be asked: this role may make no temporary views here.
    pub unasked: bool,
    /// Read where rights are declared.
    pub roles: Roles,
}
