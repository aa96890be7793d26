//! The deterministic queue machine: which message is where, and which consumer holds it.
//!
//! Architecture invariant: no IO, no clock, no randomness, no message bytes. Two machines that were given the same entries are
//! equal, and so are their outcomes.

mod backlog;
mod check;
mod command;
mod commands;
mod config;
mod consumers;
mod held;
mod lanes;
mod letters;
mod live;
mod machine;
mod number;
mod outcome;
mod producers;
mod queue;
mod sessions;
mod snapshot;
mod sources;
mod stats;

pub use command::{
    Chunk, Command, ConsumerOptions, DeadLetterSource, Delay, Enqueue, EnqueueOptions, EnqueueRun, Producer,
};
pub use config::{DeadLetterStrategy, DelayedRetry, Overflow, QueueConfig, RetryKind};
pub use lanes::PEEKED_MAX;
pub use machine::{At, Machine};
pub use outcome::{
    CancelReason, Cancelled, ChunkReply, ChunkResult, DeadLetter, DeadLetters, DeathReason, Delivered, Delivery,
    EndReason, Got, Outcome, Peeked, QueueEnded, Refusal, Reply, SlotRange,
};
pub use snapshot::RestoreError;
pub use stats::{ConsumerInfo, DeadLetterStats, NodePresence, QueueStats};
