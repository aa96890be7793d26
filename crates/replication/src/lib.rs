//! Raft groups: openraft, the gRPC transport, the leader's clock, effects.
//!
//! Architecture invariant: no other crate names openraft, and this one knows no AMQP. A chunk of commands goes in, its answers come
//! out after a majority has made it durable; which node leads is nobody else's business.

mod alarms;
pub mod api;
mod ask;
mod batcher;
mod blocking;
mod client;
pub mod clock;
mod config;
mod counts;
mod deadlines;
mod effects;
mod entry_cache;
mod environment;
mod features;
mod founding;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod golden;
mod group;
mod group_time;
mod health;
mod inspect;
mod liveness;
mod local;
mod log_codec;
mod log_size;
mod log_store;
mod machine;
mod members;
mod meta;
pub mod metrics;
mod moves;
pub mod mutation;
mod node;
mod promise;
mod proposals;
mod raft_types;
mod reconcile;
mod reconfigure;
mod recover;
mod settings;
mod shard;
mod spread;
mod state_machine;
mod supervisor;
mod transport;
mod upkeep;

pub use api::{
    ASK_BYTES_MAX, AlarmKind, Answer, AppliedChange, AskError, BoxFuture, ChunkReplies, Counts, DeadLetterBatch,
    DeliveredRecord, Groups, Metadata, MetadataObserver, MetadataUnavailable, PeekedRecords, PeerAnswer, PeerAsk,
    SessionDelivery, Sessions,
};
pub use clock::Clock;
pub use config::{Config, Founder, Timers};
pub use environment::{Environment, Listening, Network};
pub use founding::{FoundingError, Identity};
pub use inspect::{EntryId, MachineState, ReplicaView, Witness};
pub use members::OwnState;
pub use node::{ClusterError, ClusterStatus, GroupStatus, Joined, NodeStatus, ReplicaState, Replication, StartError};
pub use recover::{RecoverError, Recovered, members_up, recover_lost_majority};
pub use settings::queue_config;
pub use upkeep::Checkpoints;
