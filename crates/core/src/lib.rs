//! What reconcile decides: names, objects, the difference between declared and live, the plan.
//! Never talks to a server, reads a file or looks at a clock.

pub mod address;
pub mod desired;
pub mod digest;
pub mod hazard;
pub mod kinds;
pub mod live;
pub mod plan;
pub mod planner;
pub mod postgres;
pub mod problem;
pub mod rollback;
pub mod scope;
pub mod source;
