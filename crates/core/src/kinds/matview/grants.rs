//! Rights on a materialized view, as declared and as the catalogs show them. A declaration lists all rights that others
//! than the owner have on the view. Rights on columns, and those of the owner, do not change. `grant_diff` makes the
//! statements.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::catalog::Found;
use crate::postgres::{name::Ident, sql::Sql};

/// The name that declarations use for everyone.
pub const PUBLIC: &str = "PUBLIC";

/// `server_version_num` of the first version with the right MAINTAIN.
const MAINTAIN_SINCE: u32 = 170_000;

/// One right of one role, as the catalogs show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The column; `None`: the whole view.
    pub column: Option<Ident>,
    /// The role; `None`: everyone.
    pub grantee: Option<Ident>,
    /// Which right.
    pub privilege: Privilege,
    /// Whether the role may grant it to others.
    pub grantable: bool,
    /// Who granted it: the owner, or a role with the grant option.
    pub grantor: Ident,
}

/// A right on a relation, as PostgreSQL 14 to 18 have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Privilege {
    /// To read.
    Select,
    /// To add rows.
    Insert,
    /// To change rows.
    Update,
    /// To delete rows.
    Delete,
    /// To truncate it.
    Truncate,
    /// To reference it with a foreign key.
    References,
    /// To create triggers on it.
    Trigger,
    /// To maintain it (PostgreSQL 17 on).
    Maintain,
    /// Every right that the server has; only in declarations.
    All,
}

/// The rights of others than the owner on the whole view, by role; `PUBLIC` is everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeMap<Ident, Rights>);

/// The rights of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The rights without grant option.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub privileges: BTreeSet<Privilege>,
    /// The rights with grant option.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grantable: BTreeSet<Privilege>,
}

impl Privilege {
    /// The rights that every version has.
    const ALWAYS: [Self; 7] =
        [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::Truncate, Self::References, Self::Trigger];

    /// The word in GRANT.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Maintain => "MAINTAIN",
            Self::All => "ALL",
        }
    }

    /// The right with this name, in lower or upper case.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALWAYS.into_iter().chain([Self::Maintain, Self::All]);
        all.find(|one| one.word() == word || one.word().to_lowercase() == word)
    }

    /// Whether a server of this version has it.
    #[must_use]
    pub fn is_known(self, server_version: u32) -> bool {
        self != Self::Maintain || server_version >= MAINTAIN_SINCE
    }
}

impl Grants {
    /// The rights that others than the owner have, from any grantor.
    #[must_use]
    pub fn held(found: &Found) -> Self {
        let mut held = Self::default();
        let strangers = found.grants.iter().filter(|grant| grant.column.is_none() && !grant.is_of_owner(found));
        for grant in strangers {
            let rights = held.0.entry(name_of(grant.grantee.as_ref())).or_default();
            if grant.grantable {
                rights.grantable.insert(grant.privilege);
            } else {
                rights.privileges.insert(grant.privilege);
            }
        }
        held.without_repetition()
    }

    /// The same rights for a server of this version: `all` is expanded, and no right is listed twice.
    #[must_use]
    pub fn resolved(&self, server_version: u32) -> Self {
        let every = || Privilege::ALWAYS.into_iter().chain([Privilege::Maintain]);
        let spelled_out = |privileges: &BTreeSet<Privilege>| -> BTreeSet<Privilege> {
            if privileges.contains(&Privilege::All) {
                every().filter(|privilege| privilege.is_known(server_version)).collect()
            } else {
                privileges.clone()
            }
        };
        let resolved = self.0.iter().map(|(role, rights)| {
            let privileges = spelled_out(&rights.privileges);
            (role.clone(), Rights { privileges, grantable: spelled_out(&rights.grantable) })
        });
        Self(resolved.collect()).without_repetition()
    }

    fn without_repetition(mut self) -> Self {
        for rights in self.0.values_mut() {
            rights.privileges = &rights.privileges - &rights.grantable;
        }
        self.0.retain(|_, rights| !(rights.privileges.is_empty() && rights.grantable.is_empty()));
        self
    }

    /// Each right separately, with whether it has the grant option.
    pub(super) fn each(&self) -> BTreeMap<(Ident, Privilege), bool> {
        let of = |role: &Ident, privileges: &BTreeSet<Privilege>, grantable: bool| -> Vec<_> {
            privileges.iter().map(|privilege| ((role.clone(), *privilege), grantable)).collect()
        };
        let both = |(role, rights): (&Ident, &Rights)| {
            [of(role, &rights.privileges, false), of(role, &rights.grantable, true)].concat()
        };
        self.0.iter().flat_map(both).collect()
    }

    /// One line for each statement that would grant them, for a diff.
    #[must_use]
    pub fn lines(&self) -> String {
        let line = |role: &Ident, privileges: &BTreeSet<Privilege>, end: &str| {
            let line = || format!("  GRANT {} TO {}{end}\n", words(privileges), grantee(Sql::default(), role));
            (!privileges.is_empty()).then(line).unwrap_or_default()
        };
        let both = |(role, rights): (&Ident, &Rights)| {
            line(role, &rights.privileges, "") + &line(role, &rights.grantable, " WITH GRANT OPTION")
        };
        self.0.iter().map(both).collect()
    }
}

impl Grant {
    /// Whether it belongs to the owner.
    pub(super) fn is_of_owner(&self, found: &Found) -> bool {
        self.grantee.as_ref() == Some(&found.owner)
    }
}

/// The name of a grantee in declarations.
pub(super) fn name_of(grantee: Option<&Ident>) -> Ident {
    grantee.cloned().unwrap_or_else(|| Ident::from_server(PUBLIC))
}

/// Adds a grantee, by its name in declarations.
pub(super) fn grantee(sql: Sql, name: &Ident) -> Sql {
    if name.as_str() == PUBLIC { sql.raw(PUBLIC) } else { sql.ident(name) }
}

fn words(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|privilege| privilege.word()).collect::<Vec<_>>().join(", ")
}
