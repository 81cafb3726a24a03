//! What happens to one object, as its kind plans it. `O` is the kind's own object type; a whole plan uses the type for
//! all kinds.

mod impact;
mod parameters;
mod step;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use impact::{Estimate, Impact, RelationSize};
pub use parameters::ParameterChange;
pub use step::{Effect, Execution, SessionSettings, Step, TimeLimits, Timeouts, Unfinished};

use crate::{address::Address, digest::Digest, hazard::HazardSet, postgres::name::QualifiedName, scope::Scope};

/// The change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change<O> {
    /// The object.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// Why it happens.
    pub reason: String,
    /// The object as it is now.
    pub before: Option<O>,
    /// The object as it will be.
    pub after: Option<O>,
    /// Objects that nobody managed and that become parts of the object: they are dropped together with it.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub takes_in: Vec<O>,
    /// More about the state before, which undoing the change needs.
    pub prior: Prior,
    /// The digest of the live facts that this change relies on.
    pub relies_on: Digest,
    /// Changes in one lane run one after the other; changes in different lanes never wait for each other's locks. The
    /// lane is the root of the relation's partition tree, or a lane that the kind sets for changes that must not run
    /// side by side.
    #[serde(rename = "tree")]
    pub lane: QualifiedName,
    /// The hazards of all steps.
    pub hazards: HazardSet,
    /// The size of the change.
    #[serde(flatten)]
    pub impact: Impact,
    /// The steps, in execution order.
    pub steps: Vec<Step>,
    /// What the registry records once all steps are done.
    #[serde(default)]
    pub records: Vec<Record>,
}

/// The state of an object before a change, besides its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prior {
    /// Whether it was in the registry.
    pub managed: bool,
    /// Whether it existed and was usable.
    pub valid: bool,
    /// What depended on it, or depends on it now, and would not be restored; in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hangs: Vec<String>,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is created.
    Create,
    /// A property changes in place.
    Update,
    /// A new object replaces it.
    Replace,
    /// It is dropped.
    Drop,
    /// Only its name changes.
    Rename,
    /// It exists as declared, and the registry records it.
    Adopt,
    /// What an interrupted run left is repaired.
    Repair,
    /// It does not exist any more, and the registry forgets it.
    Forget,
}

impl Action {
    /// The sign in front of a change, as in Terraform.
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

    /// Whether it changes the database, besides the registry.
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
    /// Registry entries of objects that do not exist any more.
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

/// What the registry records for an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// reconcile manages the object.
    Manage(Box<Entry>),
    /// Only whether the managed object is protected changes.
    Protect {
        /// The object.
        address: Address,
        /// Whether it stays when its declaration goes.
        protect: bool,
    },
    /// reconcile no longer manages the object.
    Forget {
        /// The object.
        address: Address,
    },
}

/// The registry's entry of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The object.
    pub address: Address,
    /// The digest of its declaration.
    pub declared: Digest,
    /// The digest of its definition in canonical form.
    pub definition: Digest,
    /// The declaration, for people and for a later rollback.
    pub declaration: serde_json::Value,
    /// What the declaration relied on when it was compared, for kinds whose SQL can change its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<serde_json::Value>,
    /// Whether the change makes the object. The server then tells the definition and the basis, which it may not have
    /// told the plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
}

/// Information for the reader of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The object it is about; `None`: it is about a declaration that has no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The text.
    pub text: String,
    /// It depends on the role that planned; another role may apply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_role: bool,
    /// The plan leaves out the object, which it should change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
}

impl Note {
    /// A note about an object.
    #[must_use]
    pub fn new(address: Address, text: impl Into<String>) -> Self {
        Self { address: Some(address), text: text.into(), of_role: false, left_out: false }
    }

    /// A note about a declaration that has no object.
    #[must_use]
    pub fn general(text: impl Into<String>) -> Self {
        Self { address: None, text: text.into(), of_role: false, left_out: false }
    }

    /// Whether a plan relies on it: whatever an object's note says must still be true when the plan is applied.
    #[must_use]
    pub fn is_relied_on(&self) -> bool {
        !self.of_role && self.address.is_some()
    }

    /// Whether the limits of a plan admit it.
    #[must_use]
    pub fn is_admitted(&self, scope: &Scope) -> bool {
        match &self.address {
            Some(address) => scope.admits(address),
            None => scope.filter.is_unlimited(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{address}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl<O> Change<O> {
    /// The same change, with objects of another type.
    pub fn map<P>(self, into: impl Fn(O) -> P) -> Change<P> {
        Change {
            address: self.address,
            action: self.action,
            reason: self.reason,
            before: self.before.map(&into),
            after: self.after.map(&into),
            takes_in: self.takes_in.into_iter().map(&into).collect(),
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

impl Entry {
    /// The entry of an object that stands.
    ///
    /// # Panics
    /// The object cannot be written as JSON; every type of this program can.
    #[must_use]
    pub fn new(address: Address, declared: &Digest, definition: Digest, declaration: &impl Serialize) -> Self {
        match serde_json::to_value(declaration) {
            Ok(declaration) => {
                Self { address, declared: declared.clone(), definition, declaration, basis: None, made: false }
            }
            Err(error) => panic!("an object of ours is not JSON: {error}"),
        }
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self::Manage(Box::new(entry))
    }
}

impl Record {
    /// Records that reconcile manages an object.
    ///
    /// # Panics
    /// The same as [`Entry::new`].
    #[must_use]
    pub fn manage(address: Address, declared: &Digest, definition: Digest, declaration: &impl Serialize) -> Self {
        Entry::new(address, declared, definition, declaration).into()
    }

    /// The object that it is about.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Self::Manage(entry) => &entry.address,
            Self::Protect { address, .. } | Self::Forget { address } => address,
        }
    }
}
