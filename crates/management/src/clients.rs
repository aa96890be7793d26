//! Connections, channels and consumers as RabbitMQ's API shows them.

use broker::listing::{Channel, Connection, Consumer};
use serde_json::{Value, json};

use crate::{ClientsOf, fields};

/// What one node has of that kind. `node` is its name.
pub fn clients(what: ClientsOf, node: &str, connections: &[Connection]) -> Vec<Value> {
    match what {
        ClientsOf::Connections => connections.iter().map(|one| connection(node, one)).collect(),
        ClientsOf::Channels => {
            let channels = connections.iter().flat_map(|one| one.channels.iter().map(move |channel| (one, channel)));
            channels.map(|(one, channel)| self::channel(node, one, channel)).collect()
        }
        ClientsOf::Consumers => {
            let channels = connections.iter().flat_map(|one| one.channels.iter().map(move |channel| (one, channel)));
            let consumers =
                channels.flat_map(|(one, channel)| channel.consumers.iter().map(move |c| (one, channel, c)));
            consumers.map(|(one, channel, consumer)| self::consumer(node, one, channel, consumer)).collect()
        }
    }
}

fn connection(node: &str, one: &Connection) -> Value {
    json!({
        "name": one.name, "node": node, "user": one.user.to_string(), "vhost": one.vhost.to_string(),
        "user_provided_name": one.client_properties.get("connection_name").map(fields::value_to_json),
        "protocol": one.protocol, "auth_mechanism": one.auth_mechanism.to_string(), "type": "network", "ssl": false,
        "state": one.state.as_str(), "channels": one.channels.len(), "connected_at": one.connected_at.0,
        "peer_host": one.peer.ip().to_string(), "peer_port": one.peer.port(),
        "host": one.local.ip().to_string(), "port": one.local.port(),
        "frame_max": one.frame_max, "channel_max": one.channel_max, "timeout": one.heartbeat_s,
        "recv_oct": one.received_bytes, "send_oct": one.sent_bytes,
        "client_properties": fields::to_json(&one.client_properties),
    })
}

fn channel(node: &str, one: &Connection, channel: &Channel) -> Value {
    json!({
        "name": channel.name(one), "number": channel.number, "node": node, "user": one.user.to_string(),
        "vhost": one.vhost.to_string(), "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.shared_prefetch, "messages_unacknowledged": channel.unacknowledged,
        "messages_unconfirmed": channel.unconfirmed, "acks_uncommitted": channel.uncommitted_acks,
        "confirm": channel.confirm, "transactional": channel.transactional, "consumer_count": channel.consumers.len(),
        "state": one.state.as_str(), "connection_details": details(one),
    })
}

fn consumer(node: &str, one: &Connection, channel: &Channel, consumer: &Consumer) -> Value {
    json!({
        "consumer_tag": consumer.tag.to_string(), "user": one.user.to_string(),
        "queue": {"name": consumer.queue.to_string(), "vhost": one.vhost.to_string()},
        "ack_required": consumer.ack_required, "prefetch_count": consumer.prefetch, "exclusive": consumer.exclusive,
        "active": consumer.active, "activity_status": if consumer.active { "up" } else { "waiting" },
        "priority": consumer.priority, "arguments": fields::to_json(&consumer.arguments),
        "channel_details": {
            "name": channel.name(one), "number": channel.number, "node": node, "user": one.user.to_string(),
            "connection_name": one.name, "peer_host": one.peer.ip().to_string(), "peer_port": one.peer.port(),
        },
    })
}

fn details(one: &Connection) -> Value {
    json!({"name": one.name, "peer_host": one.peer.ip().to_string(), "peer_port": one.peer.port()})
}
