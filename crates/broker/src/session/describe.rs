//! What a connection tells of itself when an operator asks.

use amqp_codec::table;
use amqp_connection::Connection;
use bytes::Bytes;
use types::{FieldTable, FieldValue};

use super::{ConnectionSession, channel::Channel, consumer::Consumer, shared::Shared};
use crate::listing::{self, ConnectionState};

impl ConnectionSession {
    /// The connection now; `None` until its virtual host is open, and when it is over.
    pub(crate) fn describe(&self, conn: &Connection) -> Option<listing::Connection> {
        let shared = &self.shared;
        let user = shared.user.as_ref().filter(|_| shared.is_open && !self.is_closed)?;
        let tuning = conn.tuning();
        Some(listing::Connection {
            node: shared.id.node,
            serial: shared.id.serial,
            name: listing::connection_name(shared.peer, shared.local),
            peer: shared.peer,
            local: shared.local,
            user: user.name.clone(),
            vhost: shared.vhost.clone(),
            protocol: listing::PROTOCOL,
            auth_mechanism: shared.mechanism.clone(),
            client_properties: decoded(&shared.client_properties),
            connected_at: shared.connected_at,
            state: self.state(),
            frame_max: tuning.frame_max,
            channel_max: tuning.channel_max,
            heartbeat_s: tuning.heartbeat_s,
            received_bytes: shared.received_bytes,
            sent_bytes: shared.sent_bytes,
            channels: self.channels.values().filter_map(|channel| channel.describe(shared, conn)).collect(),
        })
    }

    fn state(&self) -> ConnectionState {
        match (self.shared.is_blocked, self.shared.broker.alarm().is_some()) {
            (true, _) => ConnectionState::Blocked,
            (false, true) => ConnectionState::Blocking,
            (false, false) if !self.wants_input() => ConnectionState::Flow,
            (false, false) => ConnectionState::Running,
        }
    }
}

impl Channel {
    fn describe(&self, shared: &Shared, conn: &Connection) -> Option<listing::Channel> {
        let stats = conn.channel_stats(self.number)?;
        Some(listing::Channel {
            number: self.number,
            prefetch: self.prefetch,
            shared_prefetch: self.shared_prefetch,
            unacknowledged: stats.unacknowledged,
            unconfirmed: stats.unconfirmed,
            confirm: stats.confirm,
            transactional: stats.transactional,
            uncommitted_acks: stats.uncommitted_acks,
            consumers: self.consumers.iter().map(|(_, consumer)| consumer.describe(shared)).collect(),
        })
    }
}

impl Consumer {
    fn describe(&self, shared: &Shared) -> listing::Consumer {
        let machine = shared.broker.metadata().read();
        let queue = machine.queue_by_id(self.queue).map(|queue| queue.name.clone());
        drop(machine);
        let arguments = decoded(&self.arguments);
        listing::Consumer {
            tag: self.tag.clone(),
            queue: queue.unwrap_or_default(),
            queue_id: self.queue,
            ack_required: !self.no_ack,
            prefetch: self.prefetch,
            priority: arguments.get("x-priority").and_then(FieldValue::as_i64).unwrap_or(0),
            active: self.is_active,
            exclusive: self.exclusive,
            arguments,
        }
    }
}

/// A table as it is kept while nobody asks: encoded, in memory of its own.
pub(crate) fn encoded(fields: &FieldTable) -> Bytes {
    if fields.is_empty() {
        return Bytes::new();
    }
    let mut buf = bytes::BytesMut::new();
    table::encode(fields, &mut buf);
    Bytes::copy_from_slice(&buf)
}

/// The table again.
pub(crate) fn decoded(encoded: &Bytes) -> FieldTable {
    if encoded.is_empty() { FieldTable::default() } else { table::decode(&mut encoded.clone()).unwrap_or_default() }
}
