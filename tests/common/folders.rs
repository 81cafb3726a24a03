//! The case folders: `cases/AREA/NAME/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

/// All of them, in the order of their names.
pub(crate) fn cases() -> Vec<PathBuf> {
    let below = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let mut folders: Vec<_> = below(&root()).iter().flat_map(|area| below(area)).collect();
    folders.sort();
    folders
}

/// `AREA/NAME`.
pub(crate) fn name(case: &Path) -> String {
    case.strip_prefix(root()).unwrap().display().to_string()
}
