//! The Rust of /proto, and conversions to and from the machines' own types.
//!
//! Architecture invariant: nothing but data. What is read from bytes is checked here, so that the machines only see commands that
//! have a meaning.

pub mod chunk;
mod error;
pub mod metadata;

pub use error::DecodeError;

/// What the compiler of /proto made.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::or_fun_call,
    clippy::match_wildcard_for_single_variants,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod generated {
    /// Between nodes.
    pub mod peer {
        tonic::include_proto!("quorate.peer.v1");
    }
    /// Shard log entries.
    pub mod shard {
        tonic::include_proto!("quorate.shard.v1");
    }
    /// Metadata log entries and snapshots.
    pub mod metadata {
        tonic::include_proto!("quorate.metadata.v1");
    }
}
