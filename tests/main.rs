//! The tests of the whole program: the real binary against real servers, each version that this machine has.
//!
//! The folders of `cases/` are run by `cases.rs`, a program of its own; the modules here hold what a folder cannot say.
//! `common` has the servers, databases and projects that both share. One process, so that each server is started once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod arrows;
mod common;
mod convergence;
mod faults;
mod forms;
mod hostile;
mod import;
mod keywords;
mod newcomer;
mod properties;
mod readonly;
mod refresh;
mod retain;
mod runs;
mod sample;
mod saved;
mod structure;
mod together;
