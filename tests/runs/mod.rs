//! What was applied, and what can be done about it afterwards: history, rollback, forget, destroy, builds side by side,
//! registries of other versions.

mod conflicts;
mod halfway;
mod kinds;
mod layouts;
mod leaving;
mod matviews;
mod parallel;
mod past;
mod place;
mod protected;
mod stages;
mod stale;
