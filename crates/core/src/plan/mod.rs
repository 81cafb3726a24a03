//! The plan: a complete list of the steps to run. The executor makes no decisions. `change` describes what happens to
//! one object, `phases` what may run side by side, and `stale` whether a plan is still valid.

mod phases;
mod stale;

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    digest::Digest,
    hazard::{Approval, HazardSet},
    kinds::Object,
    server::DatabaseId,
};

pub use crate::change::{
    Action, Change, Effect, Estimate, Execution, Impact, Note, Prior, Record, RelationSize, SessionSettings, Step,
    Summary, TimeLimits, Timeouts, Unfinished,
};
pub use phases::{Phase, Placed};

/// A change of an object of any kind.
pub type PlannedChange = Change<Object>;

/// The version of the plan's JSON. A reader refuses a larger one.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that will happen, bound to one database, one set of declarations and the live facts that it relies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the format, [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The version of the program that planned.
    pub reconcile_version: String,
    /// The time of planning (RFC 3339, UTC).
    pub created_at: String,
    /// The database that it may be applied to.
    pub database: DatabaseId,
    /// The digest of the live facts that it relies on.
    pub fingerprint: Digest,
    /// The digest of the declared files.
    pub declared: Digest,
    /// The number of changes of each action.
    pub summary: Summary,
    /// The session settings of the steps: the search path, and the schema of the registry.
    pub session: SessionSettings,
    /// The flags that limit the plan.
    #[serde(default)]
    pub filter: crate::scope::Filter,
    /// The changes in execution order.
    pub changes: Vec<PlannedChange>,
    /// What the registry also records for objects that do not change, such as new digests.
    #[serde(default)]
    pub records: Vec<Record>,
    /// Information for the reader that changes nothing.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// The number of undeclared indexes of declared relations; they do not change.
    #[serde(default)]
    pub left_alone: usize,
}

impl Plan {
    /// Whether applying it would change the database. Adoption alone does not change it.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| change.action.changes_the_database())
    }

    /// The number of objects that it should change and leaves out, each of which has a note.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.notes.iter().filter(|note| note.left_out).count()
    }

    /// Whether applying it would write anything, even if only to the registry.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.changes.is_empty() || !self.records.is_empty()
    }

    /// The hazards that are not allowed, each with the objects that have it.
    #[must_use]
    pub fn unapproved(&self, approval: &Approval) -> Vec<(crate::hazard::Hazard, Vec<&Address>)> {
        let hazards: HazardSet = self.changes.iter().flat_map(|change| change.hazards.iter().copied()).collect();
        hazards
            .into_iter()
            .filter(|hazard| !approval.permits(*hazard))
            .map(|hazard| {
                let of = self.changes.iter().filter(|change| change.hazards.contains(&hazard));
                (hazard, of.map(|change| &change.address).collect())
            })
            .collect()
    }
}
