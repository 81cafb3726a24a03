//! Who may do what with a materialized view: as it is declared, and as the catalogs tell it. What is declared is the
//! whole set of rights on the view of others than its owner; rights on columns, and the owner's, are left alone. The
//! statements between both are in `grant_change`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::catalog::Found;
use crate::postgres::{name::Ident, sql::Sql};

/// How everyone is called where roles are.
pub const PUBLIC: &str = "PUBLIC";

/// `server_version_num` of the first server with MAINTAIN.
const MAINTAIN_SINCE: u32 = 170_000;

/// A right of somebody's, as the catalogs tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `None`: to the whole view.
    pub column: Option<Ident>,
    /// `None`: everyone.
    pub grantee: Option<Ident>,
    /// Which right.
    pub privilege: Privilege,
    /// Whether it can be handed on.
    pub grantable: bool,
    /// Who gave it: the owner, or somebody who had it to hand on.
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
    /// To empty it.
    Truncate,
    /// To point at it.
    References,
    /// To put triggers on it.
    Trigger,
    /// To maintain it (PostgreSQL 17 on).
    Maintain,
    /// Every one that the server has; only in declarations.
    All,
}

/// The rights that others than the owner have on a whole view, by role; `PUBLIC` is everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeMap<Ident, Rights>);

/// What one role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// What it may do, and not hand on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub privileges: BTreeSet<Privilege>,
    /// What it may do and hand on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grantable: BTreeSet<Privilege>,
}

impl Privilege {
    /// Those that a relation can have, but for the one that only newer servers know.
    const ALWAYS: [Self; 7] =
        [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::Truncate, Self::References, Self::Trigger];

    /// As GRANT writes it.
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

    /// The one of a name, in lower or upper case.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALWAYS.into_iter().chain([Self::Maintain, Self::All]);
        all.find(|one| one.word() == word || one.word().to_lowercase() == word)
    }

    /// Whether a server has it.
    #[must_use]
    pub fn is_known(self, server_version: u32) -> bool {
        self != Self::Maintain || server_version >= MAINTAIN_SINCE
    }
}

impl Grants {
    /// What others than the owner hold, from whomever they have it.
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

    /// The same in the words of a server: what `all` is there, and nothing twice.
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

    /// Each right by itself, with whether it can be handed on.
    pub(super) fn each(&self) -> BTreeMap<(Ident, Privilege), bool> {
        let of = |role: &Ident, privileges: &BTreeSet<Privilege>, grantable: bool| -> Vec<_> {
            privileges.iter().map(|privilege| ((role.clone(), *privilege), grantable)).collect()
        };
        let both = |(role, rights): (&Ident, &Rights)| {
            [of(role, &rights.privileges, false), of(role, &rights.grantable, true)].concat()
        };
        self.0.iter().flat_map(both).collect()
    }

    /// For a diff, a line for each statement that would give them.
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
    /// Whether it is a right of the owner's own.
    pub(super) fn is_of_owner(&self, found: &Found) -> bool {
        self.grantee.as_ref() == Some(&found.owner)
    }
}

/// How declarations call somebody.
pub(super) fn name_of(grantee: Option<&Ident>) -> Ident {
    grantee.cloned().unwrap_or_else(|| Ident::from_server(PUBLIC))
}

/// Adds the one who has the rights, by the name that declarations have.
pub(super) fn grantee(sql: Sql, name: &Ident) -> Sql {
    if name.as_str() == PUBLIC { sql.raw(PUBLIC) } else { sql.ident(name) }
}

fn words(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|privilege| privilege.word()).collect::<Vec<_>>().join(", ")
}
