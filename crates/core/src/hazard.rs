//! What a statement can do to production, as a closed set that people approve by name.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of danger. Only [`Hazard::IndexBuild`] is allowed without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// Reads a whole table and takes disk and I/O for as long as that lasts.
    IndexBuild,
    /// Queries that used the index get slower.
    IndexDrop,
    /// Rows go.
    DeletesData,
    /// A whole table or partition with its rows goes.
    DropTableData,
    /// Readers and writers wait while the lock is held or queued for.
    AccessExclusiveLock,
    /// Every row is written anew.
    TableRewrite,
    /// What identifies a row changes.
    PrimaryKeyChange,
    /// An object that depends on this one is built anew.
    DependentRebuilt,
    /// Someone outside reads it: a publication, another team's view.
    ExternalReader,
}

/// The hazards of a step or a change.
pub type HazardSet = BTreeSet<Hazard>;

impl Hazard {
    /// All of them, in the order they are listed to people.
    pub const ALL: [Self; 9] = [
        Self::IndexBuild,
        Self::IndexDrop,
        Self::DeletesData,
        Self::DropTableData,
        Self::AccessExclusiveLock,
        Self::TableRewrite,
        Self::PrimaryKeyChange,
        Self::DependentRebuilt,
        Self::ExternalReader,
    ];

    /// The name that people allow it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IndexBuild => "index_build",
            Self::IndexDrop => "index_drop",
            Self::DeletesData => "deletes_data",
            Self::DropTableData => "drop_table_data",
            Self::AccessExclusiveLock => "access_exclusive_lock",
            Self::TableRewrite => "table_rewrite",
            Self::PrimaryKeyChange => "primary_key_change",
            Self::DependentRebuilt => "dependent_rebuilt",
            Self::ExternalReader => "external_reader",
        }
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Hazard {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|hazard| hazard.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name);
            format!("no hazard is called `{name}`; there are {}", known.join(", "))
        })
    }
}

/// What may happen without asking again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Allowed by the project file or on the command line.
    pub allow: HazardSet,
    /// Never allowed, whatever else is said.
    pub forbid: HazardSet,
}

impl Approval {
    /// Whether a step with this hazard may run.
    #[must_use]
    pub fn permits(&self, hazard: Hazard) -> bool {
        !self.forbid.contains(&hazard) && (hazard == Hazard::IndexBuild || self.allow.contains(&hazard))
    }
}
