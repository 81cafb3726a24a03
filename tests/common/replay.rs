//! What `plan` says of a case, made from the live side that was recorded with it: the files are loaded, planned and shown
//! as by the program, and no server is asked.

use std::{fmt::Display, fs, path::Path};

use reconcile_config::{LoadOptions, Problems, Project};
use reconcile_core::{
    planner::{self, PlanOptions},
    problem::Problem,
    reading::Read,
    scope::Scope,
};

/// The live side of a case, as `Read` is in JSON.
pub(crate) const RECORDING: &str = "live.json";

/// The output of `plan --detailed-exitcode` and its exit code.
pub(crate) fn said(case: &Path) -> Result<String, String> {
    let said = match load(case) {
        Ok(project) => match plan(&project, &recorded(case)?) {
            Ok(text) => text,
            Err(problems) => refused(&Problems::new(project.files, problems)),
        },
        Err(mut problems) => {
            let found = match problems.intact.take() {
                Some(intact) => plan(&intact, &recorded(case)?).err(),
                None => None,
            };
            refused(&problems.and(found.unwrap_or_default()))
        }
    };
    // The program is run within the folder, and names its files from there.
    Ok(said.replace(&format!("{}/", case.display()), ""))
}

fn recorded(case: &Path) -> Result<Read, String> {
    let named = |error: &dyn Display| format!("{}: {error}", case.join(RECORDING).display());
    let text = fs::read_to_string(case.join(RECORDING)).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

/// The project of a case. Its problems may leave a part intact, which is planned as well.
pub(crate) fn load(case: &Path) -> Result<Project, Problems> {
    reconcile_config::load(&LoadOptions::new(case))
}

fn plan(project: &Project, read: &Read) -> Result<String, Vec<Problem>> {
    let options = PlanOptions {
        limits: project.settings.limits(),
        session: project.settings.session(),
        created_at: String::new(),
        version: String::new(),
        scope: Scope::default(),
    };
    let plan = planner::plan(&project.desired, read, options)?;
    let exit = match plan.has_changes() {
        _ if plan.left_out() > 0 => 5,
        true => 2,
        false => 0,
    };
    Ok(format!("{}exit {exit}\n", reconcile_render::text(&plan, false)))
}

fn refused(problems: &Problems) -> String {
    let exit = if problems.are_refusals() { 4 } else { 1 };
    format!("{problems}exit {exit}\n")
}
