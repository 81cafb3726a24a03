//! As whom a server runs: PostgreSQL refuses root, so root hands its servers to an unprivileged user.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::{fs, io};

use crate::{
    ScratchError,
    command::{clean, text_of},
};

/// Tried in this order when the caller is root; the first is made by the distributions' packages.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that servers run as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    /// Whether that is somebody else than the caller, who then is root.
    dropped: bool,
    caller: u32,
}

/// The account for this process's servers. Errors if root has nobody to hand them to.
pub(crate) fn account() -> Result<Account, ScratchError> {
    static ACCOUNT: OnceLock<Account> = OnceLock::new();
    if let Some(account) = ACCOUNT.get() {
        return Ok(*account);
    }
    let found = look_up()?;
    Ok(*ACCOUNT.get_or_init(|| found))
}

fn look_up() -> Result<Account, ScratchError> {
    let caller = id(&["-u"])?;
    if caller != 0 {
        return Ok(Account { uid: caller, gid: id(&["-g"])?, dropped: false, caller });
    }
    let ids = |user: &&str| Some((id(&["-u", user]).ok()?, id(&["-g", user]).ok()?));
    let Some((uid, gid)) = UNPRIVILEGED.iter().find_map(ids) else {
        return Err(ScratchError::Failed {
            program: "id".to_owned(),
            detail: format!("root cannot run a server, and no user of these exists: {}", UNPRIVILEGED.join(", ")),
        });
    };
    Ok(Account { uid, gid, dropped: true, caller })
}

fn id(args: &[&str]) -> Result<u32, ScratchError> {
    let text = text_of(clean("id").args(args))?;
    text.parse()
        .map_err(|_| ScratchError::Failed { program: "id".to_owned(), detail: format!("`{text}` is not a number") })
}

impl Account {
    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    /// The caller's own number, whom the files around a server belong to.
    pub(crate) fn caller(self) -> u32 {
        self.caller
    }

    pub(crate) fn is_dropped(self) -> bool {
        self.dropped
    }

    /// A command that runs as this user.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = clean(program);
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a directory that only this user (and root) can enter.
    pub(crate) fn create_private_dir(self, path: &Path) -> Result<(), ScratchError> {
        let create = || -> io::Result<()> {
            fs::create_dir(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
            if self.dropped { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
        };
        create().map_err(ScratchError::io("create", path))
    }

    /// Lets this user pass through a directory of the caller's, and nobody else.
    pub(crate) fn let_through(self, dir: &Path) -> Result<(), ScratchError> {
        if !self.dropped {
            return Ok(());
        }
        chown(dir, None, Some(self.gid))
            .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o710)))
            .map_err(ScratchError::io("open", dir))
    }

    /// Whether this user can reach what lies in a directory of somebody else's.
    pub(crate) fn can_pass(self, dir: &Path) -> bool {
        let open = |dir: &Path| fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
        !self.dropped || dir.ancestors().all(open)
    }
}
