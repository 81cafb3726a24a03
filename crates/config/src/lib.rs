//! Reads a project's YAML files into declarations, each with its place, and shows the mistakes in them.
//! What the declarations mean for a database is left to `core`. This crate never connects to a database.
//!
//! A valid file is read straight into its types (`stream`, `shape`). A file with a mistake is read again as a tree that
//! knows the place of every node (`tree`). The tree is checked against the JSON Schema of the types (`check`), and the
//! mistakes are shown (`render`).

mod check;
mod de;
mod declare;
mod discover;
mod expand;
mod files;
mod init;
mod load;
mod locate;
mod mask;
mod matviews;
mod options;
mod parse;
mod project;
mod render;
mod scalar;
mod schema;
mod settings;
mod shape;
mod stream;
mod tree;
pub mod write;

pub use files::Files;
pub use init::starting_project;
pub use load::load;
pub use locate::Position;
pub use options::LoadOptions;
pub use project::{Problems, Project};
pub use schema::json_schema;
pub use settings::Settings;
