//! Settings of the broker.

use auth::LoopbackUsers;
use metadata::{Home, QueueType};
use types::{NodeId, ShortStr};

use crate::vhost_templates::VhostTemplates;

/// Settings of the broker; those of the protocol itself are in [`amqp_connection::Config`].
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// Which start of this node it is. Greater than all before.
    pub boot: u64,
    /// The first serial number of sessions and connections. Above all that earlier starts of this node gave out.
    pub serial_base: u64,
    /// Users that may log in from the loopback interface only.
    pub loopback_users: LoopbackUsers,
    /// Whom clients log in as with the mechanism ANONYMOUS.
    pub anonymous_user: Option<ShortStr>,
    /// How much a connection may have submitted that is not answered yet, before its socket is not read any more. Large enough
    /// to keep a disk busy over a commit's latency, small enough that many connections fit. Unit: bytes.
    pub in_flight_bytes_max: usize,
    /// How much a channel may have sent behind a method that is not answered yet, before its connection's socket is not read
    /// any more. Unit: bytes.
    pub backlog_bytes_max: usize,
    /// What the node is called where operators see it.
    pub node_name: ShortStr,
    /// Most connections of this node; `None`: no limit.
    pub connections_max: Option<u64>,
    /// Most channels of this node; `None`: no limit.
    pub channels_max: Option<u64>,
    /// Most consumers of a channel; zero means no limit.
    pub consumers_per_channel_max: usize,
    /// How long a consumer may hold a message where neither it nor its queue says so; `None`: for ever. Unit: milliseconds.
    pub consumer_timeout_ms: Option<u64>,
    /// The type of queues whose vhost has no default; see [`metadata::Vhost::default_queue_type`].
    pub default_queue_type: Option<QueueType>,
    /// What new virtual hosts start with.
    pub vhost_templates: VhostTemplates,
}

impl Config {
    /// The usual settings.
    pub fn new(node: NodeId, boot: u64, serial_base: u64) -> Self {
        Config {
            node,
            boot,
            serial_base,
            loopback_users: LoopbackUsers::default(),
            anonymous_user: None,
            in_flight_bytes_max: 8 * 1024 * 1024,
            backlog_bytes_max: 1024 * 1024,
            node_name: ShortStr::truncated(&format!("quorate@{node}")),
            connections_max: None,
            channels_max: None,
            consumers_per_channel_max: 0,
            consumer_timeout_ms: None,
            default_queue_type: None,
            vhost_templates: VhostTemplates::default(),
        }
    }

    /// This incarnation of this node.
    pub fn home(&self) -> Home {
        Home { node: self.node, boot: self.boot }
    }
}
