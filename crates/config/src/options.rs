//! The options of a run that say which project to load. `load` reads the project.

use std::{collections::HashMap, path::PathBuf};

/// Which project to load, and in which environment.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The folder to work in (`-C`). All other paths are relative to it.
    pub directory: PathBuf,
    /// The project file (`--config`). The default is `reconcile.yaml` in the folder.
    pub config: Option<PathBuf>,
    /// The entry of `targets:` to use (`--target`).
    pub target: Option<String>,
    /// The environment in which `${VAR}` is looked up.
    pub env: HashMap<String, String>,
    /// Whether a folder without a project counts as a project without declarations. `import` needs this to start
    /// projects.
    pub may_be_missing: bool,
}

impl LoadOptions {
    /// The project in `directory`, with no target and no environment.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), config: None, target: None, env: HashMap::new(), may_be_missing: false }
    }

    /// Looks up variables in the environment of this process. Variables that are not Unicode are left out.
    #[must_use]
    pub fn with_process_env(mut self) -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.env = std::env::vars_os().filter_map(unicode).collect();
        self
    }
}
