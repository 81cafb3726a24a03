//! `show`: prints a saved plan. `apply FILE` reads its plan here too.

use std::{fs, path::Path};

use reconcile_core::plan::{FORMAT_VERSION, Plan};

use crate::{
    args::{Global, ShowArgs},
    commands::plan::print,
    error::{Exit, Failure},
    terminal::Terminal,
};

/// Prints a saved plan.
pub(crate) fn run(args: &ShowArgs, global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let plan = read(&global.directory.join(&args.file))?;
    print(&plan, &args.format, terminal);
    Ok(Exit::Done)
}

/// Reads a saved plan. Like other input, it is not trusted.
pub(crate) fn read(path: &Path) -> Result<Plan, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::other(format!("{name}: {error}")))?;
    let again = "create it again with `reconcile plan --out`";
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::said(Exit::Error, format!("{name} is not a saved plan: {error}"), again))?;
    let version = value.get("format_version").and_then(serde_json::Value::as_u64);
    match version {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        Some(version) => {
            let message =
                format!("{name} has format version {version}; this version of reconcile reads {FORMAT_VERSION}");
            return Err(Failure::said(Exit::Error, message, again));
        }
        None => return Err(Failure::said(Exit::Error, format!("{name} is not a saved plan"), again)),
    }
    serde_json::from_value(value)
        .map_err(|error| Failure::said(Exit::Error, format!("{name} is not a saved plan: {error}"), again))
}
