//! What a run says about which project to load. Reading it is left to `load`.

use std::{collections::HashMap, path::PathBuf};

/// Which project to load, and with what around it.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The folder to work in (`-C`); every other path is relative to it.
    pub directory: PathBuf,
    /// The project file (`--config`); `reconcile.yaml` of the folder where not given.
    pub config: Option<PathBuf>,
    /// The entry of `targets:` to use (`--target`).
    pub target: Option<String>,
    /// The environment that `${VAR}` looks into.
    pub env: HashMap<String, String>,
    /// Whether a folder without a project is one with nothing declared, as for `import`, which starts projects.
    pub may_be_missing: bool,
}

impl LoadOptions {
    /// The project in `directory`, with no target and no environment.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), config: None, target: None, env: HashMap::new(), may_be_missing: false }
    }

    /// Looks variables up in the environment of this process; those that are not Unicode are left out.
    #[must_use]
    pub fn with_process_env(mut self) -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.env = std::env::vars_os().filter_map(unicode).collect();
        self
    }
}
