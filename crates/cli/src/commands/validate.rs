//! `validate`: checks the files without a database.

use reconcile_config::Problems;
use reconcile_core::{
    declared::Declared,
    kinds::{
        index::{FragmentPlace, Index},
        matview::Matview,
        retention::Rule,
    },
    problem::Problem,
    source::Source,
};

use crate::{
    args::Global,
    error::{Exit, Failure},
    project,
    terminal::Terminal,
};

/// Loads the project and parses its SQL fragments.
pub(crate) fn run(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    let project = project::load(global)?;
    let of_rules = project.desired.rules.iter().filter_map(rule_syntax);
    let of_views = project.desired.matviews.iter().filter_map(query_syntax);
    let problems: Vec<_> = project.desired.indexes().flat_map(syntax).chain(of_views).chain(of_rules).collect();
    if !problems.is_empty() {
        return Err(Problems::new(project.files, problems).into());
    }
    if terminal.json {
        terminal.json_line(&serde_json::json!({ "problems": [] }));
        return Ok(Exit::Done);
    }
    let views = project.desired.matviews.len();
    let (tables, indexes) = (project.desired.relations.len() - views, project.desired.indexes().count());
    let files = project.files.names().count();
    let rules = match project.desired.rules.len() {
        0 => String::new(),
        1 => " and 1 retention rule".to_owned(),
        rules => format!(" and {rules} retention rules"),
    };
    let counted = match views {
        0 => String::new(),
        1 => " and 1 materialized view".to_owned(),
        views => format!(" and {views} materialized views"),
    };
    terminal.print(&format!("Valid: {indexes} indexes on {tables} tables{counted}{rules} in {files} files.\n"));
    Ok(Exit::Done)
}

fn query_syntax(declared: &Declared<Matview>) -> Option<Problem> {
    let (offset, message) = declared.object.query.syntax_error()?;
    Some(Problem::new(&declared.body_at(), message).on_text(offset).hint("write a single SQL query"))
}

fn rule_syntax(declared: &Declared<Rule>) -> Option<Problem> {
    let (offset, message) = declared.object.predicate.as_ref()?.syntax_error()?;
    Some(not_an_expression(&declared.at.key("where"), offset, message))
}

fn not_an_expression(at: &Source, offset: usize, message: String) -> Problem {
    Problem::new(at, message).on_text(offset).hint("write a single SQL expression")
}

fn syntax(declared: &Declared<Index>) -> Vec<Problem> {
    let fragments = declared.object.definition.fragments();
    fragments
        .filter_map(|(place, fragment)| {
            let (offset, message) = fragment.syntax_error()?;
            let at = match place {
                FragmentPlace::Key(position) => declared.column_at(position).key("expression"),
                FragmentPlace::Predicate => declared.at.key("where"),
            };
            Some(not_an_expression(&at, offset, message))
        })
        .collect()
}
