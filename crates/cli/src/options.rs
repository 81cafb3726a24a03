//! What of a project's settings the other crates ask for.

use reconcile_apply::registry::Registry;
use reconcile_config::Project;
use reconcile_live::ReadOptions;

/// For reading the live side.
pub(crate) fn read_options(project: &Project) -> ReadOptions {
    ReadOptions {
        registry_schema: project.settings.registry_schema.clone(),
        search_path: project.settings.search_path.clone(),
    }
}

/// Where registry and history of the project's database live.
pub(crate) fn registry(project: &Project) -> Registry {
    Registry::new(project.settings.registry_schema.clone())
}
