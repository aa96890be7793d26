//! One function for each decoder.

mod checkpoints;
mod chunks;
mod connection;
mod definitions;
mod frames;
mod headers;
mod logins;
mod metadata_commands;
mod metadata_snapshots;
mod methods;
mod peer_messages;
mod raft_records;
mod tables;
mod topics;

pub use checkpoints::checkpoints;
pub use chunks::chunks;
pub use connection::connection;
pub(crate) use connection::handshake;
pub use definitions::definitions;
pub use frames::frames;
pub use headers::headers;
pub use logins::logins;
pub use metadata_commands::metadata_commands;
pub use metadata_snapshots::metadata_snapshots;
pub use methods::methods;
pub use peer_messages::peer_messages;
pub use raft_records::raft_records;
pub use tables::tables;
pub use topics::topics;

/// A target: returns, or panics because something is wrong.
pub type Target = fn(&[u8]);

/// All targets, by the names of their binaries and of their folders in `corpus`.
pub const ALL: [(&str, Target); 14] = [
    ("frames", frames),
    ("methods", methods),
    ("tables", tables),
    ("headers", headers),
    ("connection", connection),
    ("topics", topics),
    ("definitions", definitions),
    ("metadata_commands", metadata_commands),
    ("metadata_snapshots", metadata_snapshots),
    ("chunks", chunks),
    ("checkpoints", checkpoints),
    ("peer_messages", peer_messages),
    ("raft_records", raft_records),
    ("logins", logins),
];
