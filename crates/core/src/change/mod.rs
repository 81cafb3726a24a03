//! What happens to one object, as its kind plans it: `O` is the kind's own object, and any kind's in a whole plan.

mod impact;
mod parameters;
mod step;

use serde::{Deserialize, Serialize};

pub use impact::{Estimate, Impact, RelationSize};
pub use parameters::ParameterChange;
pub use step::{Effect, Execution, SessionSettings, Step, TimeLimits, Timeouts, Unfinished};

use crate::{address::Address, digest::Digest, hazard::HazardSet, postgres::name::QualifiedName};

/// One object's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change<O> {
    /// The object.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// As it is now.
    pub before: Option<O>,
    /// As it shall be.
    pub after: Option<O>,
    /// What else was so before, to take the change back by.
    pub prior: Prior,
    /// Of the live facts that this change relies on.
    pub relies_on: Digest,
    /// Changes of one lane run one after the other; those of different lanes never wait for each other's locks. The top of
    /// the partition tree that its relation is part of, or what its kind gives to changes that take turns.
    #[serde(rename = "tree")]
    pub lane: QualifiedName,
    /// Of all steps together.
    pub hazards: HazardSet,
    /// How much it is about.
    #[serde(flatten)]
    pub impact: Impact,
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
    pub fn of<O>(changes: &[Change<O>]) -> Self {
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
        declaration: serde_json::Value,
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

impl<O> Change<O> {
    /// The same, with objects of another type.
    pub fn map<P>(self, into: impl Fn(O) -> P) -> Change<P> {
        Change {
            address: self.address,
            action: self.action,
            reason: self.reason,
            before: self.before.map(&into),
            after: self.after.map(&into),
            prior: self.prior,
            relies_on: self.relies_on,
            lane: self.lane,
            hazards: self.hazards,
            impact: self.impact,
            steps: self.steps,
            records: self.records,
        }
    }
}

impl Record {
    /// That an object is reconcile's own from now on.
    ///
    /// # Panics
    /// The object cannot be written as JSON, which all of ours can.
    #[must_use]
    pub fn manage(address: Address, declared: &Digest, definition: Digest, declaration: &impl Serialize) -> Self {
        match serde_json::to_value(declaration) {
            Ok(declaration) => Self::Manage { address, declared: declared.clone(), definition, declaration },
            Err(error) => panic!("an object of ours is not JSON: {error}"),
        }
    }

    /// The object that it is about.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Self::Manage { address, .. } | Self::Forget { address } => address,
        }
    }
}
