//! Makes the decisions: names, objects, the difference between the declared and the live side, the plan. Never talks to
//! a server, reads a file or looks at a clock.

pub mod address;
pub mod change;
pub mod declared;
pub mod digest;
pub mod hazard;
pub mod kind;
pub mod kinds;
pub mod plan;
pub mod planner;
pub mod postgres;
pub mod problem;
pub mod reading;
pub mod registry;
pub mod rollback;
pub mod scope;
pub mod server;
pub mod source;
