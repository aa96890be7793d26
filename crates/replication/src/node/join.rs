//! The first half of starting: a node listens for its peers, and finds the cluster that it belongs to.

use std::{io, net::SocketAddr, sync::Arc};

use storage::LogStore;
use telemetry::{Shutdown, task::TaskKind};
use types::GroupId;

use super::door::Door;
use crate::{
    clock::Clock,
    config::Config,
    founding::{Founding, FoundingError, Identity},
    transport::{self, Node, Service},
};

/// Session serials leave room for this many sessions per millisecond of a node's uptime.
const SERIALS_PER_MS_BITS: u32 = 20;

/// Where the last incarnation is kept.
const BOOT: &str = "boot";

/// A number for this incarnation: the time, or one more than the last when the clock went back.
fn next_boot(store: &Arc<dyn LogStore>, clock: &Clock) -> Result<u64, storage::Error> {
    let last = store.read_node_value(BOOT)?.and_then(|bytes| Some(u64::from_le_bytes(bytes[..].try_into().ok()?)));
    let boot = clock.now().0.max(last.map_or(0, |last| last + 1));
    store.write_node_value(BOOT, bytes::Bytes::copy_from_slice(&boot.to_le_bytes()))?;
    Ok(boot)
}

/// The smallest session serial of a node incarnation.
pub(crate) fn first_session_serial(boot: u64) -> u64 {
    boot << SERIALS_PER_MS_BITS
}

/// Why replication could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The peer address cannot be listened on.
    #[error("cannot listen for peers on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The node has no place in the cluster.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// A group could not be opened.
    #[error("group {group} could not be opened")]
    Group {
        /// The group.
        group: GroupId,
        /// Why.
        source: io::Error,
    },
}

/// A node that has found its cluster and is about to start its groups.
#[derive(Debug)]
pub struct Joined {
    pub(super) config: Config,
    pub(super) identity: Identity,
    pub(super) boot: u64,
    pub(super) store: Arc<dyn LogStore>,
    pub(super) door: Arc<Door>,
    pub(super) shutdown: Shutdown,
}

impl Joined {
    /// Listens for peers and waits until this node knows its cluster.
    ///
    /// # Errors
    /// When the address is taken, or the node has no place in the cluster.
    pub async fn join(
        config: Config,
        listen: SocketAddr,
        store: Arc<dyn LogStore>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let listener = config.environment.network.listen(listen).await;
        let listener = listener.map_err(|source| StartError::Listen { address: listen, source })?;
        let founding = Founding::open(&config, &store)?;
        let door = Arc::new(Door::new(founding));
        let node: Arc<dyn Node> = door.clone();
        let service = Service { local: Arc::clone(&door.local), node };
        telemetry::task::spawn(TaskKind::Critical(shutdown.clone()), "peer server", async move {
            if let Err(error) = transport::serve(service, listener).await {
                tracing::error!(%error, "peer server ended");
            }
        });
        let identity = door.founding.complete(&store).await?;
        let boot = next_boot(&store, &config.environment.clock).map_err(FoundingError::from)?;
        Ok(Joined { config, identity, boot, store, door, shutdown })
    }

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// This incarnation of the node; greater than all before it.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// The smallest session serial that this incarnation may use; the broker counts up from it.
    pub fn first_session_serial(&self) -> u64 {
        first_session_serial(self.boot)
    }
}
