//! A plan as text, Markdown, SQL and JSON. This crate reads only the plan. Where the output goes is left to `cli`.

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

/// The plan as JSON, as in a saved file.
///
/// # Panics
/// It never panics, because every part of a plan can be written as JSON.
#[must_use]
pub fn json(plan: &Plan) -> String {
    match serde_json::to_string_pretty(plan) {
        Ok(text) => text + "\n",
        Err(error) => panic!("a plan is not JSON: {error}"),
    }
}
