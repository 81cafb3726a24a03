//! Executes a plan: one applier at a time, step by step, with history before and after each, and without leaving
//! remnants. Decides nothing: the plan has done that.

mod cleanup;
pub mod event;
pub mod execute;
pub mod failure;
pub mod lock;
pub mod monitor;
pub mod options;
pub mod pooler;
pub mod registry;
mod wait;
mod worker;
