//! The rules and materialized views that were applied: read from the registry, and chosen by name.

use reconcile_apply::registry::Registry;
use reconcile_core::{
    address::KindName,
    kind::Kind as _,
    kinds::{
        Object,
        matview::{Matview, Matviews},
        retention::{Rule, Rules},
    },
    postgres::{name::QualifiedName, relation::closest_relation},
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Retention rules, by their tables.
    Rules,
    /// Materialized views.
    Views,
}

/// Why what was applied cannot be chosen from.
#[derive(Debug, thiserror::Error)]
pub enum AppliedError {
    /// Connection or server.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The text is not a name.
    #[error("`{written}` is no name of a {}", sought.words().named)]
    Name {
        /// As it was written.
        written: String,
        /// What was looked for.
        sought: Sought,
    },
    /// Nothing of that name was applied.
    #[error("no {} {name} is applied", sought.words().of)]
    Unknown {
        /// The name.
        name: QualifiedName,
        /// What was looked for.
        sought: Sought,
        /// What to do about it.
        hint: String,
    },
    /// Another version of the program wrote the entry.
    #[error("the registry's entry of a {} cannot be read: {why}", sought.words().entry)]
    Entry {
        /// What was looked for.
        sought: Sought,
        /// What is wrong with it.
        why: String,
    },
}

/// The words for what is looked for.
struct Words {
    /// What has the name.
    named: &'static str,
    /// Stands before the name.
    of: &'static str,
    /// What an entry in the registry is of.
    entry: &'static str,
    /// Stands before the names of all that is applied.
    all: &'static str,
    /// The beginning of the addresses.
    kind: KindName,
}

impl Sought {
    fn words(self) -> Words {
        match self {
            Self::Rules => Words {
                named: "table",
                of: "retention rule of",
                entry: "rule",
                all: "applied are those of",
                kind: Rules::NAME,
            },
            Self::Views => Words {
                named: "materialized view",
                of: "materialized view",
                entry: "materialized view",
                all: "applied are",
                kind: Matviews::NAME,
            },
        }
    }
}

/// All rules that were applied, by their tables; of `tables` alone, where some are named.
///
/// # Errors
/// The registry cannot be read, or no rule of a named table is applied.
pub async fn rules(session: &mut Session, registry: &Registry, tables: &[String]) -> Result<Vec<Rule>, AppliedError> {
    let all = all(session, registry, Sought::Rules, is_rule).await?;
    chosen(all, Sought::Rules, tables, |rule| &rule.table)
}

/// All views that were applied, by name; of `names` alone, where there are some.
///
/// # Errors
/// The registry cannot be read, or a named view is not applied.
pub async fn views(session: &mut Session, registry: &Registry, names: &[String]) -> Result<Vec<Matview>, AppliedError> {
    let all = all(session, registry, Sought::Views, is_view).await?;
    chosen(all, Sought::Views, names, |view| &view.name)
}

/// The rule of an entry.
pub(crate) fn rule(declaration: serde_json::Value) -> Result<Rule, AppliedError> {
    read(declaration, Sought::Rules, is_rule)
}

/// The view of an entry.
pub(crate) fn view(declaration: serde_json::Value) -> Result<Matview, AppliedError> {
    read(declaration, Sought::Views, is_view)
}

fn is_view(object: Object) -> Result<Matview, Object> {
    match object {
        Object::Matview(view) => Ok(*view),
        other => Err(other),
    }
}

fn is_rule(object: Object) -> Result<Rule, Object> {
    match object {
        Object::Retention(rule) => Ok(*rule),
        other => Err(other),
    }
}

async fn all<T>(
    session: &mut Session,
    registry: &Registry,
    sought: Sought,
    is: impl Fn(Object) -> Result<T, Object>,
) -> Result<Vec<T>, AppliedError> {
    if !registry.exists(session).await? {
        return Ok(Vec::new());
    }
    let results = session.batch(&registry.declarations(sought.words().kind.as_str())).await?;
    results.iter().flatten().map(|row| read(row.try_get(0).map_err(LiveError::from)?, sought, &is)).collect()
}

fn read<T>(
    declaration: serde_json::Value,
    sought: Sought,
    is: impl Fn(Object) -> Result<T, Object>,
) -> Result<T, AppliedError> {
    let entry = |why| AppliedError::Entry { sought, why };
    let object = serde_json::from_value(declaration).map_err(|error| entry(error.to_string()))?;
    is(object).map_err(|other| entry(format!("it is {}", other.address())))
}

fn chosen<T: Clone + PartialEq>(
    all: Vec<T>,
    sought: Sought,
    names: &[String],
    name: impl Fn(&T) -> &QualifiedName,
) -> Result<Vec<T>, AppliedError> {
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<T> = Vec::new();
    for written in names {
        let wanted =
            QualifiedName::parse(written).map_err(|_| AppliedError::Name { written: written.clone(), sought })?;
        match all.iter().find(|one| *name(one) == wanted) {
            Some(one) if chosen.contains(one) => {}
            Some(one) => chosen.push(one.clone()),
            None => {
                let names: Vec<_> = all.iter().map(|one| name(one).to_string()).collect();
                let hint = match closest_relation(&wanted, &names) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if names.is_empty() => "none is; plan and apply first".to_owned(),
                    None => format!("{} {}", sought.words().all, names.join(", ")),
                };
                return Err(AppliedError::Unknown { name: wanted, sought, hint });
            }
        }
    }
    Ok(chosen)
}
