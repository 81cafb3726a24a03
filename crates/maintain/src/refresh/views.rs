//! The materialized views that were applied: read from the registry, chosen by their names.

use reconcile_apply::registry::Registry;
use reconcile_core::{
    kinds::{Object, matview::Matview},
    name::QualifiedName,
    problem::closest,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

/// Why views cannot be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// Connection or server.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The text is no name of a view.
    #[error("`{0}` is no name of a materialized view")]
    Name(String),
    /// No view of that name was applied.
    #[error("no materialized view {view} is applied")]
    Unknown {
        /// The view.
        view: String,
        /// What to do about it.
        hint: String,
    },
    /// Another version of the program wrote the entry.
    #[error("the registry's entry of a materialized view cannot be read: {0}")]
    Entry(String),
}

/// All views that were applied, by name; of `names` alone, where there are some.
///
/// # Errors
/// The registry cannot be read, or a named view is not applied.
pub async fn applied(session: &mut Session, registry: &Registry, names: &[String]) -> Result<Vec<Matview>, ViewsError> {
    let views = all(session, registry).await?;
    if names.is_empty() {
        return Ok(views);
    }
    let mut chosen: Vec<Matview> = Vec::new();
    for written in names {
        let name = QualifiedName::parse(written).map_err(|_| ViewsError::Name(written.clone()))?;
        match views.iter().find(|view| view.name == name) {
            Some(view) if chosen.contains(view) => {}
            Some(view) => chosen.push(view.clone()),
            None => return Err(unknown(&name, &views)),
        }
    }
    Ok(chosen)
}

async fn all(session: &mut Session, registry: &Registry) -> Result<Vec<Matview>, ViewsError> {
    if !registry.exists(session).await? {
        return Ok(Vec::new());
    }
    let results = session.batch(&registry.matviews()).await?;
    results.iter().flatten().map(|row| view(row.try_get(0).map_err(LiveError::from)?)).collect()
}

fn view(declaration: serde_json::Value) -> Result<Matview, ViewsError> {
    match serde_json::from_value(declaration) {
        Ok(Object::Matview(view)) => Ok(*view),
        Ok(other @ (Object::Index(_) | Object::Retention(_) | Object::Schedule(_))) => {
            Err(ViewsError::Entry(format!("it is {}", other.address())))
        }
        Err(error) => Err(ViewsError::Entry(error.to_string())),
    }
}

fn unknown(name: &QualifiedName, views: &[Matview]) -> ViewsError {
    let written = name.to_string();
    let names: Vec<_> = views.iter().map(|view| view.name.to_string()).collect();
    let hint = match closest(&written, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "none is; plan and apply first".to_owned(),
        None => format!("applied are {}", names.join(", ")),
    };
    ViewsError::Unknown { view: written, hint }
}
