//! What of a project's settings the other crates ask for.

use reconcile_apply::registry::Registry;
use reconcile_config::Project;
use reconcile_core::plan::SessionSettings;

/// How names are looked up, and where the registry lives.
pub(crate) fn session(project: &Project) -> SessionSettings {
    SessionSettings {
        registry_schema: project.settings.registry_schema.clone(),
        search_path: project.settings.search_path.clone(),
    }
}

/// Where registry and history of the project's database live.
pub(crate) fn registry(project: &Project) -> Registry {
    Registry::new(project.settings.registry_schema.clone())
}
