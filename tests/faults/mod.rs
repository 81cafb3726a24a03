//! What goes wrong while an apply works: it is killed, its server stops, its connection is cut, somebody is in its way,
//! another apply starts, a pooler stands between. In the end the database is what an undisturbed apply makes of it.
//!
//! Each disturbance comes a few times, at moments spread over the apply. `FAULT_ROUNDS` makes it as many as that:
//!
//! ```sh
//! FAULT_ROUNDS=200 cargo test --test suite faults::interruptions
//! ```

mod blocking;
mod gapless;
mod interruptions;
mod others;
mod pooler;
mod refreshes;
mod scenario;
mod site;
mod together;
mod views;
mod visitor;
