//! The project's settings that other crates need.

use reconcile_apply::registry::Registry;
use reconcile_config::Project;

/// The place of the registry and history in the project's database.
pub(crate) fn registry(project: &Project) -> Registry {
    Registry::new(project.settings.registry_schema.clone())
}
