//! Three nodes in one process, on loopback: what the broker may rely on, also when nodes go and come back.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod administration;
mod cluster;
mod consumers;
mod dead_letters;
mod failover;
mod gate;
mod joining_snapshots;
mod membership;
mod metadata;
mod recorder;
mod snapshots;
mod stalls;
mod submissions;
mod time;
