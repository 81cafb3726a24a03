//! Executes a plan step by step, by one applier at a time. The history is written before and after each step, and a
//! failure leaves no remnants. This crate makes no decisions: the plan has made them.

pub mod advisory_lock;
pub mod applier_lock;
mod cleanup;
pub mod event;
pub mod execute;
mod interrupted;
pub mod monitor;
pub mod options;
mod pooler;
pub mod preflight;
pub mod registry;
pub mod retry;
pub mod run_error;
pub mod sqlstate;
mod wait;
mod worker;
