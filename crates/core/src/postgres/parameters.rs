//! Storage and operator class parameters in YAML. Every kind that has parameters reads and writes them in the same way.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::{
    postgres::{name::Ident, sql::Sql},
    problem::Problem,
    source::Source,
};

/// Storage or operator class parameters by name.
pub type Parameters = BTreeMap<Ident, String>;

/// The value of a parameter: text, number or boolean.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum ParameterSpec {
    /// Such as `on` or `auto`.
    Text(String),
    /// Such as `90`.
    Integer(i64),
    /// Such as `0.5`.
    Number(Float),
    /// Such as `true`.
    Boolean(bool),
}

/// A number, kept as the text of the YAML file so that it can be compared.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "f64")]
pub struct Float(String);

impl Sql {
    /// Adds `(name = 'value', …)`. Every value is a literal: PostgreSQL accepts `'90'` for a number as well.
    #[must_use]
    pub fn parameters(self, parameters: &Parameters) -> Self {
        self.raw("(")
            .list(parameters, ", ", |sql, (name, value)| sql.parameter_name(name).raw(" = ").literal(value))
            .raw(")")
    }

    /// Adds the name of a parameter. `toast.` in front of it means the parameter of the TOAST table.
    #[must_use]
    pub fn parameter_name(self, name: &Ident) -> Self {
        match name.as_str().strip_prefix("toast.").map(Ident::new) {
            Some(Ok(name)) => self.raw("toast.").ident(&name),
            Some(Err(_)) | None => self.ident(name),
        }
    }
}

/// Makes a source location on demand: a large project has a hundred thousand parameters, and only a problem needs the
/// location.
pub(crate) type At<'a> = &'a dyn Fn() -> Source;

/// Reads parameters, and reports each mistake at its place below `at`.
pub(crate) fn lower_parameters(
    specs: &BTreeMap<String, ParameterSpec>,
    at: At<'_>,
    problems: &mut Vec<Problem>,
) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in specs {
        if let Some(name) = checked(Ident::new(name), || at().key(name), problems, Problem::on_key) {
            parameters.insert(name, value.text());
        }
    }
    parameters
}

/// Returns the value, or reports the mistake at its place.
pub(crate) fn checked<T, E: fmt::Display>(
    result: Result<T, E>,
    at: impl FnOnce() -> Source,
    problems: &mut Vec<Problem>,
    mark: impl FnOnce(Problem) -> Problem,
) -> Option<T> {
    result.map_err(|error| problems.push(mark(Problem::new(&at(), error.to_string())))).ok()
}

impl ParameterSpec {
    /// The value as PostgreSQL stores it; booleans are `on` and `off`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(Float(text)) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(true) => "on".to_owned(),
            Self::Boolean(false) => "off".to_owned(),
        }
    }
}

struct ParameterVisitor;

impl Visitor<'_> for ParameterVisitor {
    type Value = ParameterSpec;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("text, a number or a boolean")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<ParameterSpec, E> {
        Ok(ParameterSpec::Text(text.to_owned()))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<ParameterSpec, E> {
        Ok(ParameterSpec::Boolean(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<ParameterSpec, E> {
        Ok(ParameterSpec::Integer(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<ParameterSpec, E> {
        i64::try_from(value).map(ParameterSpec::Integer).map_err(E::custom)
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<ParameterSpec, E> {
        Ok(ParameterSpec::Number(Float(value.to_string())))
    }
}

impl<'de> Deserialize<'de> for ParameterSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParameterVisitor)
    }
}
