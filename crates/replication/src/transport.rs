//! How the nodes talk: per pair of nodes and kind one standing gRPC stream, dialled by the side that has something to ask.

mod link;
mod network;
mod outbox;
mod peers;
mod server;
mod snapshot;
pub(crate) mod wire;

pub(crate) use link::{Down, LinkEvents, LinkKind, ask_endpoint, client as ask_client, found_at, hello, join_at};
pub(crate) use network::{Asked, Factory};
pub(crate) use peers::{PeerAddress, Peers};
#[cfg(feature = "fuzzing")]
pub(crate) use server::append_again;
pub(crate) use server::{Node, Port, PortBox, Service, serve};
pub(crate) use snapshot::Live;

/// What every stream starts with: who speaks, of which cluster, in which version.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub cluster_id: bytes::Bytes,
    pub node: types::NodeId,
    pub boot: u64,
}

/// Version of the protocol between nodes.
pub(crate) const VERSION: u32 = 1;

/// Largest message between nodes. An entry carries at most one message above the batch size, and a message is at most 32 MiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
