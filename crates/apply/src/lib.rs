//! Executes a plan: one applier at a time, step by step, with history before and after each, and without leaving
//! remnants. Decides nothing: the plan has done that.

pub mod event;
pub mod execute;
mod lane;
pub mod lock;
pub mod onlooker;
pub mod options;
mod patience;
pub mod pooler;
pub mod refusal;
pub mod registry;
mod remnant;
