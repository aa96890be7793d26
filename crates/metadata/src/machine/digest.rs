//! One number for the whole state, to compare replicas by.

use bytes::{BufMut, BytesMut};

use super::{Machine, Record};
use crate::{
    Binding, Cluster, Destination, Exchange, Policy, Queue, User, Vhost,
    canonical::{put_bytes, put_len, put_table},
};

/// FNV-1a, 64 bits: its two constants.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Machine {
    /// A digest of the state. Equal machines of the same program version have equal digests. Takes time in the size of the
    /// state.
    pub fn digest(&self) -> u64 {
        let mut bytes = BytesMut::new();
        let mut digest = OFFSET;
        for record in self.records() {
            bytes.clear();
            put_record(&mut bytes, &record);
            for byte in &bytes {
                digest = (digest ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
        }
        digest
    }
}

fn put_record(out: &mut BytesMut, record: &Record) {
    match record {
        Record::Head { bootstrapped, last_queue_id } => {
            out.put_slice(&[0, u8::from(*bootstrapped)]);
            out.put_u64_le(last_queue_id.0);
        }
        Record::Cluster(cluster) => put_cluster(out, cluster),
        Record::Vhost(vhost) => put_vhost(out, vhost),
        Record::User(user) => put_user(out, user),
        Record::Permissions { user, vhost, permissions } => {
            out.put_u8(3);
            for text in [user.as_bytes(), vhost.as_bytes()] {
                put_bytes(out, text);
            }
            for text in [&permissions.configure, &permissions.write, &permissions.read] {
                put_bytes(out, text.as_bytes());
            }
        }
        Record::Exchange(exchange) => put_exchange(out, exchange),
        Record::Queue(queue) => put_queue(out, queue),
        Record::Binding(binding) => put_binding(out, binding),
        Record::TopicPermissions { user, vhost, exchange, permissions } => {
            out.put_u8(7);
            let of = [user.as_bytes(), vhost.as_bytes(), exchange.as_bytes()];
            put_texts(out, of.into_iter().chain([permissions.write.as_bytes(), permissions.read.as_bytes()]));
        }
        Record::GlobalParameter { name, value } => {
            out.put_u8(8);
            put_texts(out, [name.as_bytes(), value.as_bytes()]);
        }
        Record::Parameter { vhost, component, name, value } => {
            out.put_u8(9);
            put_texts(out, [vhost.as_bytes(), component.as_bytes(), name.as_bytes(), value.as_bytes()]);
        }
        Record::Policy { policy, operator } => put_policy(out, policy, *operator),
    }
}

fn put_vhost(out: &mut BytesMut, vhost: &Vhost) {
    out.put_u8(1);
    put_bytes(out, vhost.name.as_bytes());
    put_bytes(out, vhost.description.as_bytes());
    put_bytes(out, vhost.default_queue_type.map_or("", |t| t.as_str()).as_bytes());
    put_len(out, vhost.tags.len());
    put_texts(out, vhost.tags.iter().map(|tag| tag.as_bytes()));
    out.put_slice(&[vhost.tracing, vhost.protected].map(u8::from));
    put_limits(out, [vhost.limits.max_connections, vhost.limits.max_queues]);
    out.put_u64_le(vhost.created_at.0);
}

fn put_policy(out: &mut BytesMut, policy: &Policy, operator: bool) {
    out.put_slice(&[10, u8::from(operator)]);
    let texts = [policy.pattern.text(), policy.apply_to.as_str()];
    put_texts(out, [policy.vhost.as_bytes(), policy.name.as_bytes()].into_iter().chain(texts.map(str::as_bytes)));
    out.put_i64_le(policy.priority);
    put_table(out, &policy.definition);
}

fn put_limits(out: &mut BytesMut, limits: [Option<i64>; 2]) {
    for limit in limits {
        out.put_u8(u8::from(limit.is_some()));
        out.put_i64_le(limit.unwrap_or_default());
    }
}

fn put_texts<'a>(out: &mut BytesMut, texts: impl IntoIterator<Item = &'a [u8]>) {
    for text in texts {
        put_bytes(out, text);
    }
}

fn put_user(out: &mut BytesMut, user: &User) {
    out.put_u8(2);
    put_bytes(out, user.name.as_bytes());
    if let Some(password) = &user.password {
        put_bytes(out, format!("{:?}", password.algorithm).as_bytes());
        put_bytes(out, &password.salted);
    }
    put_len(out, user.tags.len());
    put_texts(out, user.tags.iter().map(|tag| tag.as_bytes()));
    put_limits(out, [user.limits.max_connections, user.limits.max_channels]);
}

fn put_exchange(out: &mut BytesMut, exchange: &Exchange) {
    out.put_u8(4);
    put_bytes(out, exchange.vhost.as_bytes());
    put_bytes(out, exchange.name.as_bytes());
    put_bytes(out, exchange.kind.as_str().as_bytes());
    out.put_slice(&[exchange.durable, exchange.auto_delete, exchange.internal].map(u8::from));
    put_table(out, &exchange.arguments);
}

fn put_queue(out: &mut BytesMut, queue: &Queue) {
    out.put_u8(5);
    out.put_u64_le(queue.id.0);
    put_bytes(out, queue.vhost.as_bytes());
    put_bytes(out, queue.name.as_bytes());
    out.put_slice(&[queue.durable, queue.auto_delete, queue.owner.is_some()].map(u8::from));
    if let Some(owner) = queue.owner {
        out.put_u64_le(owner.node.0);
        out.put_u64_le(owner.serial);
    }
    put_table(out, &queue.arguments);
    put_bytes(out, queue.declared_type.as_str().as_bytes());
    out.put_u32_le(queue.group.0);
    out.put_u64_le(queue.home.node.0);
    out.put_u64_le(queue.home.boot);
    out.put_u64_le(queue.created_at.0);
    out.put_u8(u8::from(queue.is_history));
}

fn put_binding(out: &mut BytesMut, binding: &Binding) {
    out.put_u8(6);
    put_bytes(out, binding.vhost.as_bytes());
    put_bytes(out, binding.source.as_bytes());
    match &binding.destination {
        Destination::Queue(queue) => out.put_u64_le(queue.0),
        Destination::Exchange(name) => put_bytes(out, name.as_bytes()),
    }
    put_bytes(out, binding.routing_key.as_bytes());
    put_table(out, &binding.arguments);
}

fn put_cluster(out: &mut BytesMut, cluster: &Cluster) {
    out.put_u8(11);
    out.put_u64_le(cluster.last_node);
    put_len(out, cluster.members.len());
    for member in cluster.members.values() {
        out.put_u64_le(member.node.0);
        put_texts(out, [member.name.as_bytes(), &member.uuid, member.address.as_bytes()]);
        put_bytes(out, member.state.as_str().as_bytes());
        out.put_u64_le(member.replaces.map_or(0, |node| node.0));
    }
    for (group, placement) in &cluster.placements {
        out.put_u32_le(group.0);
        for nodes in [&placement.wanted, &placement.voters, &placement.holders] {
            put_len(out, nodes.len());
            nodes.iter().for_each(|node| out.put_u64_le(node.0));
        }
        out.put_u64_le(placement.leader.map_or(0, |node| node.0));
        out.put_u64_le(placement.round);
        out.put_u64_le(placement.moved_at);
    }
}
