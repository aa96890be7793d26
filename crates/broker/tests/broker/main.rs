//! Sessions as clients see them: frames go in, frames come out, with the real queue and metadata machines behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod admin;
mod ahead;
mod alarms;
mod at_once;
mod client;
mod confirms;
mod consume;
mod dead_letter;
mod declare;
mod events;
mod failover;
mod fake;
mod firehose;
mod get;
mod history;
mod lifetimes;
mod limits;
mod listing;
mod look_again;
mod order;
mod publish;
mod qos;
mod reply_to;
mod secrets;
mod settle;
mod topics;
mod transactions;
mod wishes;
