//! What operators may know of the connections of this node, their channels and consumers.
//!
//! Nothing is gathered until somebody asks: then each connection's task describes itself, between two batches of its client's
//! work.

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use types::{FieldTable, NodeId, QueueId, ShortStr, Timestamp};

use crate::{Broker, mailbox::Mail, registry::Member};

/// How long connections may take to describe themselves. Those that do not (they wait for their end) are left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is spoken.
pub(crate) const PROTOCOL: &str = "AMQP 0-9-1";

/// A connection whose virtual host is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The node that has it.
    pub node: NodeId,
    /// Unique on the node.
    pub serial: u64,
    /// Both addresses, as RabbitMQ writes them: `127.0.0.1:5000 -> 127.0.0.1:5672`.
    pub name: String,
    /// Where the client is.
    pub peer: SocketAddr,
    /// Where it has connected to.
    pub local: SocketAddr,
    /// The user who has logged in.
    pub user: ShortStr,
    /// The virtual host.
    pub vhost: ShortStr,
    /// `AMQP 0-9-1`
    pub protocol: &'static str,
    /// The SASL mechanism of the login.
    pub auth_mechanism: ShortStr,
    /// What the client says of itself.
    pub client_properties: FieldTable,
    /// When it connected.
    pub connected_at: Timestamp,
    /// What it is doing.
    pub state: ConnectionState,
    /// The largest frame that was agreed on. Unit: bytes.
    pub frame_max: u32,
    /// The most channels that were agreed on.
    pub channel_max: u16,
    /// The heartbeat that was agreed on. Unit: seconds.
    pub heartbeat_s: u16,
    /// What has come from the client. Unit: bytes.
    pub received_bytes: u64,
    /// What was sent to the client. Unit: bytes.
    pub sent_bytes: u64,
    /// Its channels, by number.
    pub channels: Vec<Channel>,
}

/// What a connection is doing, in RabbitMQ's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It works.
    Running,
    /// An alarm stands; when it publishes it will be blocked.
    Blocking,
    /// An alarm stands, and it has published.
    Blocked,
    /// It is not read for the moment, since it has too much under way.
    Flow,
}

/// An open channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its number.
    pub number: u16,
    /// What new consumers may hold; zero: no limit.
    pub prefetch: u16,
    /// What all its consumers may hold together; zero: no limit.
    pub shared_prefetch: u16,
    /// Deliveries that the client has not settled.
    pub unacknowledged: u64,
    /// Publishes in confirm mode that the client has no answer for.
    pub unconfirmed: u64,
    /// Whether it is in confirm mode.
    pub confirm: bool,
    /// Whether it is transactional.
    pub transactional: bool,
    /// Deliveries that the client has settled in a transaction that is not committed.
    pub uncommitted_acks: u64,
    /// Its consumers, in the order in which they came.
    pub consumers: Vec<Consumer>,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// Its tag.
    pub tag: ShortStr,
    /// The queue's name; empty when the queue is just gone.
    pub queue: ShortStr,
    /// The queue.
    pub queue_id: QueueId,
    /// Whether deliveries are to be settled.
    pub ack_required: bool,
    /// Most messages that it may hold; zero: no limit.
    pub prefetch: u32,
    /// Its priority.
    pub priority: i64,
    /// Whether it gets messages.
    pub active: bool,
    /// Whether it wanted the queue for itself.
    pub exclusive: bool,
    /// As it was declared.
    pub arguments: FieldTable,
}

impl ConnectionState {
    /// RabbitMQ's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ConnectionState::Running => "running",
            ConnectionState::Blocking => "blocking",
            ConnectionState::Blocked => "blocked",
            ConnectionState::Flow => "flow",
        }
    }
}

impl Channel {
    /// Its name, as RabbitMQ writes it: that of the connection and the number.
    pub fn name(&self, connection: &Connection) -> String {
        format!("{} ({})", connection.name, self.number)
    }
}

/// The name of a connection between these.
pub(crate) fn connection_name(peer: SocketAddr, local: SocketAddr) -> String {
    format!("{peer} -> {local}")
}

impl Broker {
    /// The connections of this node, by serial number.
    ///
    /// Cancel safety: nothing is lost but the answer.
    pub async fn list_connections(&self) -> Vec<Connection> {
        let mut descriptions = {
            // One place for each that is asked, so that none has to wait.
            let (sender, receiver) = mpsc::channel(self.connection_count().max(1));
            self.registry().broadcast(|| Mail::Describe(sender.clone()));
            receiver
        };
        let deadline = Instant::now() + PATIENCE;
        let mut connections = Vec::new();
        while let Ok(Some(connection)) = tokio::time::timeout_at(deadline, descriptions.recv()).await {
            connections.push(*connection);
        }
        connections.sort_by_key(|connection: &Connection| connection.serial);
        connections
    }

    /// Ends the connection with that [serial number](Connection::serial), as an operator wants it; whether it was there.
    pub fn close_connection(&self, serial: u64, reason: &str) -> bool {
        self.force_close(reason, |member| member.serial == serial) > 0
    }

    /// Ends the connection with that [name](Connection::name); whether it was there.
    pub fn close_connection_named(&self, name: &str, reason: &str) -> bool {
        self.force_close(reason, |member| connection_name(member.peer, member.local) == name) > 0
    }

    /// Ends a user's connections to this node; how many.
    pub fn close_connections_of_user(&self, user: &ShortStr, reason: &str) -> usize {
        self.force_close(reason, |member| member.user.as_ref() == Some(user))
    }

    /// Ends the connections of this node to a virtual host; how many.
    pub fn close_connections_of_vhost(&self, vhost: &ShortStr, reason: &str) -> usize {
        self.force_close(reason, |member| member.vhost.as_ref() == Some(vhost))
    }

    fn force_close(&self, reason: &str, is_meant: impl Fn(&Member) -> bool) -> usize {
        self.registry().post_to(is_meant, || Mail::ForceClose(reason.to_owned()))
    }
}
