//! What a statement can do to production: a closed set of hazards that people allow by name.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One hazard. Only [`Hazard::IndexBuild`] is allowed by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// The statement reads a whole table, and uses disk space and I/O while it runs.
    IndexBuild,
    /// Queries that use the index get slower.
    IndexDrop,
    /// Rows are deleted.
    DeletesData,
    /// A whole table or partition is dropped with its rows.
    DropTableData,
    /// Readers and writers wait while the lock is held or waited for.
    AccessExclusiveLock,
    /// Every row is written again.
    TableRewrite,
    /// The primary key changes.
    PrimaryKeyChange,
    /// An object that depends on this one is built again.
    DependentRebuilt,
    /// Others read it: a publication, another team's view.
    ExternalReader,
}

/// The hazards of a step or a change.
pub type HazardSet = BTreeSet<Hazard>;

impl Hazard {
    /// All hazards, in the order of messages.
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

    /// The name by which people allow it.
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

/// Which hazards are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The hazards that the project file or the command line allows.
    pub allow: HazardSet,
    /// The hazards that are forbidden, even if they are allowed elsewhere.
    pub forbid: HazardSet,
}

impl Approval {
    /// Whether a step with this hazard may run.
    #[must_use]
    pub fn permits(&self, hazard: Hazard) -> bool {
        !self.forbid.contains(&hazard) && (hazard == Hazard::IndexBuild || self.allow.contains(&hazard))
    }
}
