//! The last resort on Debian and its like: root installs the distribution's own package.

use std::process::Command;

use crate::{
    account::account,
    command::{clean, on_path, run},
    error::ScratchError,
    installation::{Installation, installations},
};

const APT_GET: &str = "apt-get";

/// Installs the package `postgresql`. Errors if the caller is not root, if there is no `apt-get`, or if it fails.
pub(crate) fn install() -> Result<Installation, ScratchError> {
    let apt_get = on_path(APT_GET).ok_or(ScratchError::NoProgram {
        program: APT_GET.to_owned(),
        needed_for: "it brings the distribution's postgresql",
    })?;
    let failed = |detail: &str| ScratchError::Failed { program: APT_GET.to_owned(), detail: detail.to_owned() };
    if account()?.caller() != 0 {
        return Err(failed("only root may install"));
    }
    let apt = || -> Command {
        let mut command = clean(&apt_get);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "--quiet"]))?;
    run(apt().args(["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"]))?;
    installations().into_iter().next().ok_or_else(|| failed("it brought no server that can be run"))
}
