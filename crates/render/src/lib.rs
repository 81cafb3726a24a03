//! A plan as text, Markdown, SQL and JSON. Reads nothing but the plan; where the output goes is left to `cli`.

mod markdown;
mod pieces;
mod sql;
mod text;
mod words;

use reconcile_core::plan::Plan;

pub use crate::{
    markdown::plan as markdown,
    sql::plan as sql,
    text::plan as text,
    words::{bytes, printable, thousands},
};

/// The plan as a saved file has it.
///
/// # Panics
/// Never: every part of a plan has a form in JSON.
#[must_use]
pub fn json(plan: &Plan) -> String {
    match serde_json::to_string_pretty(plan) {
        Ok(text) => text + "\n",
        Err(error) => panic!("a plan is not JSON: {error}"),
    }
}
