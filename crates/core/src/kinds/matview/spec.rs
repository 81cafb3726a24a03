//! How a materialized view is written in YAML, and what that means. Reading a `query_file` is left to `config`; whether
//! the query means anything is for the server to say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Matview, Query, Refresh};
use crate::{
    kinds::{
        parameters::{ParameterSpec, checked, lower_parameters},
        retention::spec::milliseconds,
        schedule::crontab,
    },
    name::{Ident, QualifiedName},
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

/// A materialized view as written, but for its indexes.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The query, and the node or file that it stands in.
    pub query: (&'a str, &'a Source),
    /// Whether it is filled when it is made; so where not given.
    pub with_data: Option<bool>,
    /// Storage parameters.
    pub with: Option<&'a BTreeMap<String, ParameterSpec>>,
    /// Tablespace.
    pub tablespace: Option<&'a str>,
    /// Comment.
    pub comment: Option<&'a str>,
    /// When and how it is brought up to date.
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
        problems.push(Problem::new(&at.key("comment"), "PostgreSQL stores no NUL byte"));
    }
    let refresh = written.refresh.map(|refresh| lower_refresh(refresh, &at.key("refresh"), &mut problems));
    match query {
        Ok(query) if problems.is_empty() => Ok(Matview {
            name: name.clone(),
            query,
            with_data: written.with_data.unwrap_or(true),
            with,
            tablespace,
            comment: written.comment.map(str::to_owned),
            refresh,
            indexes: Vec::new(),
        }),
        _ => Err(problems),
    }
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
