//! Starts throwaway PostgreSQL servers, and poolers in front of them, for `demo` and for tests, and knows the sample
//! database.
//!
//! It finds an installation (or fetches one), initialises a data directory once per version, and runs each [`Server`]
//! from a copy of it on a private Unix socket. A server ends with its owner, however the owner ends.
//! What is done *in* a server is left to the caller: nothing of the product is known here, and the only SQL is the
//! [`sample`]'s. Needs a Unix.

mod account;
mod apt;
mod cache;
mod command;
mod error;
mod home;
mod installation;
mod npm;
mod options;
mod pooler;
mod provider;
pub mod sample;
mod server;
mod template;

pub use error::ScratchError;
pub use installation::{Installation, local};
pub use npm::fetch;
pub use options::Options;
pub use pooler::{PoolMode, Pooler};
pub use provider::find;
pub use server::{Server, StopMode};
