//! What every test needs: a server of each version, a database and a project of its own, and runs of the program.

pub(crate) mod cron;
mod database;
mod program;

pub(crate) use database::{Database, Version, newest, versions};
pub(crate) use program::{Project, Run};
