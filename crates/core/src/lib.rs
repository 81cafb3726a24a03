//! What reconcile decides: names, objects, the difference between declared and live, the plan.
//! Never talks to a server, reads a file or looks at a clock.

pub mod address;
pub mod desired;
pub mod diff;
pub mod digest;
pub mod fragment;
pub mod hazard;
pub mod inverse;
pub mod keywords;
pub mod kinds;
pub mod live;
pub mod lock;
pub mod name;
pub mod plan;
pub mod problem;
pub mod scope;
pub mod source;
pub mod sql;
