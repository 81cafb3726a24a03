//! Records the live side of a case, as a plan of its project reads it.

use std::{fs, path::Path};

use reconcile_core::{
    reading::{Read, Reading},
    scope::Scope,
};
use reconcile_live::{LiveError, Session, Target};

use crate::{
    DATABASE,
    common::Database,
    replay::{RECORDING, load},
};

/// Writes the recording. A live side that cannot be read is none: the case then is about that.
pub(crate) fn record(case: &Path, database: &Database) {
    let file = case.join(RECORDING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(read(case, database)) {
        Ok(Some(read)) => fs::write(file, written(read, database)).unwrap(),
        Ok(None) | Err(_) => drop(fs::remove_file(file)),
    }
}

async fn read(case: &Path, database: &Database) -> Result<Option<Read>, LiveError> {
    let project = match load(case) {
        Ok(project) => project,
        Err(problems) => match problems.intact {
            Some(intact) => *intact,
            None => return Ok(None),
        },
    };
    let (scope, settings) = (Scope::default(), project.settings.session());
    let reading =
        Reading { desired: &project.desired, scope: &scope, session: &settings, limits: project.settings.limits() };
    let mut session = Session::connect(&Target::parse(Some(&database.url()))?).await?;
    reconcile_live::read(&mut session, reading).await.map(Some)
}

/// Without what each database has of its own.
fn written(mut read: Read, database: &Database) -> String {
    "0".clone_into(&mut read.live.database.system_identifier);
    let text = serde_json::to_string_pretty(&read).unwrap();
    text.replace(&database.name, DATABASE) + "\n"
}
