//! The store as its users see it: durability, order, failure, and that the simulated store means the same.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod crash;
mod crash_points;
mod damage;
mod faults;
mod model;
mod snapshots;
mod space;
mod store;
mod support;
