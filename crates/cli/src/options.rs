//! What of a project's settings the other crates ask for.

use reconcile_apply::registry::Registry;
use reconcile_config::Project;

/// Where registry and history of the project's database live.
pub(crate) fn registry(project: &Project) -> Registry {
    Registry::new(project.settings.registry_schema.clone())
}
