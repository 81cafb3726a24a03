//! A materialized view in YAML, and what it means. `config` reads a `query_file`; the server says whether the query is
//! valid.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    Matview, Query, Refresh,
    grants::{Grants, PUBLIC, Privilege, Rights},
};
use crate::{
    postgres::{
        cron::crontab,
        duration::milliseconds,
        name::{Ident, QualifiedName},
        parameters::{ParameterSpec, checked, lower_parameters},
    },
    problem::Problem,
    source::Source,
};

/// When and how a materialized view is brought up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshSpec {
    /// When, as cron writes it: minute, hour, day, month, day of the week. Without it, only on request.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The time zone of the schedule; UTC where not given.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Whether others read on meanwhile; needs a unique index on plain columns, over all rows.
    #[serde(default)]
    pub concurrently: bool,
    /// The longest that it may take: `1h`.
    #[serde(default)]
    pub timeout: Option<String>,
}

/// What a role may do: a right, a list of them, or a map.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RightsSpec {
    /// `dashboard: select`
    One(PrivilegeSpec),
    /// `dashboard: [select, references]`
    Many(Vec<PrivilegeSpec>),
    /// `dashboard: { privileges: [select], grant_option: true }`
    Full(FullRightsSpec),
}

/// What a role may do, and whether it may hand that on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullRightsSpec {
    /// Which rights.
    pub privileges: Vec<PrivilegeSpec>,
    /// Whether it may give them to others.
    #[serde(default)]
    pub grant_option: bool,
}

/// A right, in lower or upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("enum" = PRIVILEGES))]
pub struct PrivilegeSpec(Privilege);

const PRIVILEGES: [&str; 18] = [
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "maintain",
    "all",
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "ALL",
];

impl<'de> Deserialize<'de> for PrivilegeSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Privilege::named(&word).map(Self).ok_or_else(|| D::Error::unknown_variant(&word, &PRIVILEGES))
    }
}

/// A materialized view as written, without its indexes.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The query, and the node or file that holds it.
    pub query: (&'a str, &'a Source),
    /// Whether it is filled when it is created; the default is yes.
    pub with_data: Option<bool>,
    /// The storage parameters.
    pub with: Option<&'a BTreeMap<String, ParameterSpec>>,
    /// The tablespace.
    pub tablespace: Option<&'a str>,
    /// The comment.
    pub comment: Option<&'a str>,
    /// The rights of others than the owner.
    pub grants: Option<&'a BTreeMap<String, RightsSpec>>,
    /// When and how it is refreshed.
    pub refresh: Option<&'a RefreshSpec>,
}

/// Reads the declaration of a materialized view.
///
/// # Errors
/// Every mistake in it, each at its place below `at`.
pub fn lower(name: &QualifiedName, written: Written<'_>, at: &Source) -> Result<Matview, Vec<Problem>> {
    let mut problems = Vec::new();
    let (text, query_at) = written.query;
    let query = Query::new(text).map_err(|error| {
        let problem = Problem::new(query_at, error.message).on_text(error.offset);
        problems.push(problem.hint("a materialized view has one query: SELECT, VALUES, TABLE or WITH"));
    });
    let with = written.with.map(|with| lower_parameters(with, &|| at.key("with"), &mut problems));
    let tablespace =
        written.tablespace.and_then(|name| checked(Ident::new(name), || at.key("tablespace"), &mut problems, |p| p));
    if written.comment.is_some_and(|comment| comment.contains('\0')) {
        problems.push(Problem::new(&at.key("comment"), "the text contains a NUL byte, which PostgreSQL cannot store"));
    }
    let grants = written.grants.map(|grants| lower_grants(grants, &at.key("grants"), &mut problems));
    let refresh = written.refresh.map(|refresh| lower_refresh(refresh, &at.key("refresh"), &mut problems));
    match query {
        Ok(query) if problems.is_empty() => Ok(Matview {
            name: name.clone(),
            query,
            with_data: written.with_data.unwrap_or(true),
            with,
            tablespace,
            comment: written.comment.map(str::to_owned),
            grants,
            refresh,
            indexes: Vec::new(),
        }),
        _ => Err(problems),
    }
}

fn lower_grants(specs: &BTreeMap<String, RightsSpec>, at: &Source, problems: &mut Vec<Problem>) -> Grants {
    let mut grants = Grants::default();
    for (role, spec) in specs {
        let Some(name) = checked(Ident::new(role), || at.key(role), problems, Problem::on_key) else { continue };
        let (privileges, grant_option) = match spec {
            RightsSpec::One(one) => (std::slice::from_ref(one), false),
            RightsSpec::Many(many) => (many.as_slice(), false),
            RightsSpec::Full(full) => (full.privileges.as_slice(), full.grant_option),
        };
        if grant_option && role == PUBLIC {
            let problem =
                Problem::new(&at.key(role).key("grant_option"), "only a role can hand rights on, not everyone");
            problems.push(problem.on_key());
        }
        let privileges = privileges.iter().map(|spec| spec.0).collect();
        let rights = if grant_option {
            Rights { grantable: privileges, ..Rights::default() }
        } else {
            Rights { privileges, ..Rights::default() }
        };
        grants.0.insert(name, rights);
    }
    grants
}

fn lower_refresh(spec: &RefreshSpec, at: &Source, problems: &mut Vec<Problem>) -> Refresh {
    if spec.schedule.as_deref().is_some_and(|schedule| crontab(schedule).is_err()) {
        let problem = Problem::new(&at.key("schedule"), "this is no schedule");
        problems.push(problem.hint("minute, hour, day, month, day of the week, as in `0 3 * * *`"));
    }
    let timeout_ms = spec.timeout.as_deref().and_then(|text| match milliseconds(text) {
        Ok(0) => {
            problems.push(Problem::new(&at.key("timeout"), "the least is 1ms"));
            None
        }
        Ok(ms) => Some(ms),
        Err(message) => {
            problems.push(Problem::new(&at.key("timeout"), message));
            None
        }
    });
    Refresh {
        schedule: spec.schedule.as_ref().map(|schedule| schedule.split_whitespace().collect::<Vec<_>>().join(" ")),
        timezone: spec.timezone.clone(),
        concurrently: spec.concurrently,
        timeout_ms,
    }
}
