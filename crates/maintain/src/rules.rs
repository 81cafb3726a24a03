//! The rules that were applied: read from the registry, chosen by the names of their tables.

use reconcile_apply::registry::Registry;
use reconcile_core::{
    kinds::{Object, retention::Rule},
    name::QualifiedName,
    problem::closest,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

/// Why rules cannot be chosen.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Connection or server.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The text is no name of a table.
    #[error("`{0}` is no name of a table")]
    Name(String),
    /// No rule of that table was applied.
    #[error("no retention rule of {table} is applied")]
    Unknown {
        /// The table.
        table: String,
        /// What to do about it.
        hint: String,
    },
    /// Another version of the program wrote the entry.
    #[error("the registry's entry of a rule cannot be read: {0}")]
    Entry(String),
}

/// All rules that were applied, by their tables; of `tables` alone, where some are named.
///
/// # Errors
/// The registry cannot be read, or no rule of a named table is applied.
pub async fn applied(session: &mut Session, registry: &Registry, tables: &[String]) -> Result<Vec<Rule>, RulesError> {
    let rules = all(session, registry).await?;
    if tables.is_empty() {
        return Ok(rules);
    }
    let mut chosen: Vec<Rule> = Vec::new();
    for written in tables {
        let table = QualifiedName::parse(written).map_err(|_| RulesError::Name(written.clone()))?;
        match rules.iter().find(|rule| rule.table == table) {
            Some(rule) if chosen.contains(rule) => {}
            Some(rule) => chosen.push(rule.clone()),
            None => return Err(unknown(&table, &rules)),
        }
    }
    Ok(chosen)
}

async fn all(session: &mut Session, registry: &Registry) -> Result<Vec<Rule>, RulesError> {
    if !registry.exists(session).await? {
        return Ok(Vec::new());
    }
    let results = session.batch(&registry.retention_rules()).await?;
    results.iter().flatten().map(|row| rule(row.try_get(0).map_err(LiveError::from)?)).collect()
}

/// The rule of an entry.
pub(crate) fn rule(declaration: serde_json::Value) -> Result<Rule, RulesError> {
    match serde_json::from_value(declaration) {
        Ok(Object::Retention(rule)) => Ok(*rule),
        Ok(other @ (Object::Index(_) | Object::Matview(_) | Object::Schedule(_))) => {
            Err(RulesError::Entry(format!("it is {}", other.address())))
        }
        Err(error) => Err(RulesError::Entry(error.to_string())),
    }
}

fn unknown(table: &QualifiedName, rules: &[Rule]) -> RulesError {
    let written = table.to_string();
    let names: Vec<_> = rules.iter().map(|rule| rule.table.to_string()).collect();
    let hint = match closest(&written, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "none is; plan and apply first".to_owned(),
        None => format!("applied are those of {}", names.join(", ")),
    };
    RulesError::Unknown { table: written, hint }
}
