//! `validate`: the files alone.

use reconcile_config::Problems;
use reconcile_core::{desired::DeclaredIndex, kinds::index::FragmentPlace, problem::Problem};

use crate::{
    args::Global,
    error::{Exit, Failure},
    project,
    terminal::Terminal,
};

/// Loads the project and reads its SQL fragments as SQL.
pub(crate) fn run(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let project = project::load(global)?;
    let problems: Vec<_> = project.desired.indexes().flat_map(syntax).collect();
    if !problems.is_empty() {
        return Err(Problems::new(project.files, problems).into());
    }
    if terminal.json {
        terminal.json_line(&serde_json::json!({ "problems": [] }));
        return Ok(Exit::Done);
    }
    let (tables, indexes) = (project.desired.relations.len(), project.desired.indexes().count());
    let files = project.files.names().count();
    terminal.print(&format!("Valid: {indexes} indexes on {tables} tables in {files} files.\n"));
    Ok(Exit::Done)
}

fn syntax(declared: &DeclaredIndex) -> Vec<Problem> {
    let fragments = declared.index.definition.fragments();
    fragments
        .filter_map(|(place, fragment)| {
            let (offset, message) = fragment.syntax_error()?;
            let at = match place {
                FragmentPlace::Key(position) => declared.column_at(position).key("expression"),
                FragmentPlace::Predicate => declared.at.key("where"),
            };
            Some(Problem::new(&at, message).on_text(offset).hint("this has to be one SQL expression"))
        })
        .collect()
}
