//! An initialised data directory for each version, made once: initdb takes seconds, a copy of its result much less.

use std::path::{Path, PathBuf};

use crate::{Installation, ScratchError, account::account, cache, command::run};

/// The template of this exact version and user. Errors if initdb does.
pub(crate) fn template(installation: &Installation) -> Result<PathBuf, ScratchError> {
    let account = account()?;
    let version: String =
        installation.version().chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let name = format!("data-{version}-{}", account.uid());
    cache::entry(&name, |dir| {
        account.create_private_dir(dir)?;
        let mut initdb = account.command(installation.bin_dir().join("initdb"));
        // Without a locale, text sorts the same on every machine. Only the socket's directory guards a server: trust.
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "-D"]).arg(dir);
        run(&mut initdb).map(drop)
    })
}

/// Copies a template into an empty directory of the same user's.
pub(crate) fn copy(template: &Path, data: &Path) -> Result<(), ScratchError> {
    run(account()?.command("cp").arg("-R").arg(template.join(".")).arg(data)).map(drop)
}
