//! Executes a plan: one applier at a time, step by step, with history before and after each, and without leaving
//! remnants. Decides nothing: the plan has done that.

pub mod execute;
pub mod lock;
pub mod onlooker;
mod refusal;
pub mod registry;
