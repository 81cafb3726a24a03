//! The plan: what will run, step by step, complete in itself. Who executes it decides nothing.
//! What happens to one object is in `change`, what may run side by side in `phases`, whether a plan still holds in `stale`.

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

/// All that is to happen, bound to one database, one set of declarations and the live facts it relies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`]
    pub format_version: u32,
    /// Of the program that planned.
    pub reconcile_version: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Where it may be applied.
    pub database: DatabaseId,
    /// Of the live facts that it relies on.
    pub fingerprint: Digest,
    /// Of the declared files.
    pub declared: Digest,
    /// How many changes of each action.
    pub summary: Summary,
    /// How the steps' names are looked up and where the registry lives.
    pub session: SessionSettings,
    /// What it was limited to.
    #[serde(default)]
    pub filter: crate::scope::Filter,
    /// The changes in execution order.
    pub changes: Vec<PlannedChange>,
    /// What to write down besides, without touching any object: renewed digests of what is unchanged.
    #[serde(default)]
    pub records: Vec<Record>,
    /// What a reader should know that changes nothing.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// How many indexes of declared relations nobody declared; they stay as they are.
    #[serde(default)]
    pub left_alone: usize,
}

impl Plan {
    /// Whether applying it would change the database. Adoption alone does not.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| change.action.changes_the_database())
    }

    /// Whether applying it would write anything, be it in the registry only.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.changes.is_empty() || !self.records.is_empty()
    }

    /// The hazards that are not allowed, each with the objects that bring it.
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
