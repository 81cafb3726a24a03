//! The plan: what will run, step by step, complete in itself. Who executes it decides nothing.
//! A single statement is in `step`, what may run side by side in `phases`, whether a plan still holds in `stale`.

mod phases;
mod stale;
mod step;

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    digest::Digest,
    hazard::{Approval, HazardSet},
    kinds::{Object, retention::catalog::Estimate},
    live::DatabaseId,
    postgres::name::{Ident, QualifiedName},
};

pub use phases::{Phase, Placed};
pub use step::{Effect, Step, TimeLimits, Timeouts, Unfinished};

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

/// How a session must be set up for the steps to mean what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// For names without a schema inside expressions.
    pub search_path: Vec<Ident>,
    /// Where registry and history live.
    pub registry_schema: Ident,
}

/// One object's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The object.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// As it is now.
    pub before: Option<Object>,
    /// As it shall be.
    pub after: Option<Object>,
    /// What else was so before, to take the change back by.
    pub prior: Prior,
    /// Of the live facts that this change relies on.
    pub relies_on: Digest,
    /// The top of the partition tree that its relation is part of, as far as it is known. Changes of different trees
    /// never wait for each other's locks.
    pub tree: QualifiedName,
    /// Of all steps together.
    pub hazards: HazardSet,
    /// What carries it, to judge the cost by.
    pub relation: RelationSize,
    /// Of a retention rule: how much it would let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// What the registry holds once all steps are done.
    #[serde(default)]
    pub records: Vec<Record>,
}

/// What an object was before a change, besides its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prior {
    /// It was in the registry.
    pub managed: bool,
    /// It was there and could be used.
    pub valid: bool,
    /// What hung on it and would not come back with it, in words; also what came to hang on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hangs: Vec<String>,
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

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It comes to be.
    Create,
    /// A property changes in place.
    Update,
    /// A new one takes its place.
    Replace,
    /// It goes.
    Drop,
    /// It keeps everything but its name.
    Rename,
    /// It is there as declared; the registry takes note.
    Adopt,
    /// What an interrupted run left is brought in order.
    Repair,
    /// It is gone already; the registry takes note.
    Forget,
}

impl Action {
    /// The sign in front of a change, in Terraform's manner.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Drop | Self::Forget => "-",
            Self::Rename => ">",
            Self::Adopt => "=",
            Self::Repair => "!",
        }
    }

    /// Whether the database will differ afterwards.
    #[must_use]
    pub fn changes_the_database(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Replace | Self::Drop | Self::Rename | Self::Repair => true,
            Self::Adopt | Self::Forget => false,
        }
    }
}

/// How many changes of each action a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `+`
    pub create: usize,
    /// `~`
    pub update: usize,
    /// `-/+`
    pub replace: usize,
    /// `-`
    pub drop: usize,
    /// `>`
    pub rename: usize,
    /// `=`
    pub adopt: usize,
    /// `!`
    pub repair: usize,
    /// Registry entries of objects that are gone.
    pub forget: usize,
}

impl Summary {
    /// Counts the changes.
    #[must_use]
    pub fn of(changes: &[PlannedChange]) -> Self {
        let mut summary = Self::default();
        for change in changes {
            *match change.action {
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Replace => &mut summary.replace,
                Action::Drop => &mut summary.drop,
                Action::Rename => &mut summary.rename,
                Action::Adopt => &mut summary.adopt,
                Action::Repair => &mut summary.repair,
                Action::Forget => &mut summary.forget,
            } += 1;
        }
        summary
    }
}

/// What the registry is told about an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// It is reconcile's own.
    Manage {
        /// The object.
        address: Address,
        /// Of its declaration.
        declared: Digest,
        /// Of its definition in canonical form.
        definition: Digest,
        /// The declaration, for people and for later undoing.
        declaration: Object,
    },
    /// It no longer is.
    Forget {
        /// The object.
        address: Address,
    },
}

/// Something that a reader of the plan should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The object it is about.
    pub address: Address,
    /// What there is to know.
    pub text: String,
    /// It is about the role that planned; another role may apply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_role: bool,
}

impl Note {
    /// A note about an object.
    #[must_use]
    pub fn new(address: Address, text: impl Into<String>) -> Self {
        Self { address, text: text.into(), of_role: false }
    }
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
