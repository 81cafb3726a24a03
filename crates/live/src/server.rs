//! What those who ask the server about definitions know of it.

use reconcile_core::kinds::index::catalog::Names;

use crate::{ReadOptions, snapshot::ServerFacts};

/// What is known of the server when its definitions are read.
#[derive(Debug)]
pub struct Server<'a> {
    /// What it said of itself.
    pub facts: &'a ServerFacts,
    /// Its operator classes and collations.
    pub names: &'a Names,
    /// How the project wants it read.
    pub options: &'a ReadOptions,
}
