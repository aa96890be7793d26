//! Records of a snapshot.

use bytes::Bytes;
use metadata::{
    ApplyTo, Binding, Destination, Exchange, ExchangeKind, Pattern, Permissions, Policy, Queue, Record,
    TopicPermissions, User, UserLimits, Vhost, VhostLimits,
};
use types::{GroupId, QueueId, Timestamp};

use super::{
    cluster, fields,
    names::{
        connection_from_wire, connection_to_wire, home_from_wire, home_to_wire, name, names_from_wire, names_to_wire,
        password_to_wire, queue_type_from_wire, queue_type_to_wire, some_password,
    },
};
use crate::generated::metadata::{self as wire, record::Record as W};

pub(super) fn to_wire(record: &Record) -> wire::Record {
    let record = match record {
        Record::Head { bootstrapped, last_queue_id } => {
            W::Head(wire::Head { bootstrapped: *bootstrapped, last_queue_id: last_queue_id.0 })
        }
        Record::Cluster(cluster) => W::Cluster(cluster::to_wire(cluster)),
        Record::Vhost(vhost) => W::Vhost(vhost_to_wire(vhost)),
        Record::User(user) => W::User(wire::PutUser {
            user: user.name.bytes(),
            password: user.password.as_ref().map(password_to_wire),
            tags: names_to_wire(&user.tags),
            max_connections: user.limits.max_connections,
            max_channels: user.limits.max_channels,
        }),
        Record::Permissions { user, vhost, permissions } => W::Permissions(wire::Permissions {
            user: user.bytes(),
            vhost: vhost.bytes(),
            configure: permissions.configure.clone(),
            write: permissions.write.clone(),
            read: permissions.read.clone(),
        }),
        Record::Exchange(exchange) => W::Exchange(exchange_to_wire(exchange)),
        Record::Queue(queue) => W::Queue(queue_to_wire(queue)),
        Record::Binding(binding) => W::Binding(binding_to_wire(binding)),
        Record::TopicPermissions { user, vhost, exchange, permissions } => {
            W::TopicPermissions(wire::TopicPermissions {
                user: user.bytes(),
                vhost: vhost.bytes(),
                exchange: exchange.bytes(),
                write: permissions.write.clone(),
                read: permissions.read.clone(),
            })
        }
        Record::GlobalParameter { name, value } => {
            W::GlobalParameter(wire::GlobalParameter { name: name.bytes(), value: value.clone() })
        }
        Record::Parameter { vhost, component, name, value } => W::Parameter(wire::Parameter {
            vhost: vhost.bytes(),
            component: component.bytes(),
            name: name.bytes(),
            value: value.clone(),
        }),
        Record::Policy { policy, operator } => W::Policy(policy_to_wire(policy, *operator)),
    };
    wire::Record { record: Some(record) }
}

fn vhost_to_wire(vhost: &Vhost) -> wire::Vhost {
    wire::Vhost {
        name: vhost.name.bytes(),
        description: vhost.description.clone(),
        default_queue_type: queue_type_to_wire(vhost.default_queue_type),
        created_at: vhost.created_at.0,
        tags: names_to_wire(&vhost.tags),
        tracing: vhost.tracing,
        protected: vhost.protected,
        max_connections: vhost.limits.max_connections,
        max_queues: vhost.limits.max_queues,
    }
}

fn policy_to_wire(policy: &Policy, operator: bool) -> wire::Policy {
    wire::Policy {
        vhost: policy.vhost.bytes(),
        name: policy.name.bytes(),
        pattern: policy.pattern.text().to_owned(),
        priority: policy.priority,
        apply_to: Bytes::from_static(policy.apply_to.as_str().as_bytes()),
        definition: fields::to_wire(&policy.definition),
        operator,
    }
}

fn exchange_to_wire(exchange: &Exchange) -> wire::Exchange {
    let kind = match exchange.kind {
        ExchangeKind::Direct => wire::ExchangeKind::Direct,
        ExchangeKind::Fanout => wire::ExchangeKind::Fanout,
        ExchangeKind::Topic => wire::ExchangeKind::Topic,
        ExchangeKind::Headers => wire::ExchangeKind::Headers,
        ExchangeKind::ConsistentHash => wire::ExchangeKind::ConsistentHash,
        ExchangeKind::Random => wire::ExchangeKind::Random,
        ExchangeKind::LocalRandom => wire::ExchangeKind::LocalRandom,
        ExchangeKind::ModulusHash => wire::ExchangeKind::ModulusHash,
        ExchangeKind::RecentHistory => wire::ExchangeKind::RecentHistory,
        ExchangeKind::DelayedMessage => wire::ExchangeKind::DelayedMessage,
    };
    wire::Exchange {
        vhost: exchange.vhost.bytes(),
        name: exchange.name.bytes(),
        kind: kind.into(),
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        arguments: fields::to_wire(&exchange.arguments),
    }
}

fn queue_to_wire(queue: &Queue) -> wire::Queue {
    wire::Queue {
        id: queue.id.0,
        vhost: queue.vhost.bytes(),
        name: queue.name.bytes(),
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        owner: queue.owner.map(connection_to_wire),
        arguments: fields::to_wire(&queue.arguments),
        declared_type: queue_type_to_wire(Some(queue.declared_type)),
        group: queue.group.0,
        home: Some(home_to_wire(queue.home)),
        created_at: queue.created_at.0,
        is_history: queue.is_history,
    }
}

fn binding_to_wire(binding: &Binding) -> wire::Binding {
    use wire::binding::Destination as D;
    let destination = match &binding.destination {
        Destination::Queue(queue) => D::Queue(queue.0),
        Destination::Exchange(name) => D::Exchange(name.bytes()),
    };
    wire::Binding {
        vhost: binding.vhost.bytes(),
        source: binding.source.bytes(),
        destination: Some(destination),
        routing_key: binding.routing_key.bytes(),
        arguments: fields::to_wire(&binding.arguments),
    }
}

pub(super) fn from_wire(record: wire::Record) -> Option<Record> {
    Some(match record.record? {
        W::Head(head) => Record::Head { bootstrapped: head.bootstrapped, last_queue_id: QueueId(head.last_queue_id) },
        W::Cluster(cluster) => Record::Cluster(cluster::from_wire(cluster)?),
        W::Vhost(vhost) => Record::Vhost(vhost_from_wire(vhost)?),
        W::User(user) => Record::User(User {
            name: name(user.user)?,
            password: some_password(user.password)?,
            tags: names_from_wire(user.tags)?,
            limits: UserLimits { max_connections: user.max_connections, max_channels: user.max_channels },
        }),
        W::Permissions(p) => Record::Permissions {
            user: name(p.user)?,
            vhost: name(p.vhost)?,
            permissions: Permissions { configure: p.configure, write: p.write, read: p.read },
        },
        W::Exchange(exchange) => Record::Exchange(exchange_from_wire(exchange)?),
        W::Queue(queue) => Record::Queue(queue_from_wire(queue)?),
        W::Binding(binding) => Record::Binding(binding_from_wire(binding)?),
        W::TopicPermissions(p) => Record::TopicPermissions {
            user: name(p.user)?,
            vhost: name(p.vhost)?,
            exchange: name(p.exchange)?,
            permissions: TopicPermissions { write: p.write, read: p.read },
        },
        W::GlobalParameter(p) => Record::GlobalParameter { name: name(p.name)?, value: p.value },
        W::Parameter(p) => Record::Parameter {
            vhost: name(p.vhost)?,
            component: name(p.component)?,
            name: name(p.name)?,
            value: p.value,
        },
        W::Policy(policy) => Record::Policy { operator: policy.operator, policy: policy_from_wire(policy)? },
    })
}

fn vhost_from_wire(vhost: wire::Vhost) -> Option<Vhost> {
    Some(Vhost {
        name: name(vhost.name)?,
        description: vhost.description,
        tags: names_from_wire(vhost.tags)?,
        default_queue_type: queue_type_from_wire(vhost.default_queue_type)?,
        tracing: vhost.tracing,
        protected: vhost.protected,
        limits: VhostLimits { max_connections: vhost.max_connections, max_queues: vhost.max_queues },
        created_at: Timestamp(vhost.created_at),
    })
}

fn policy_from_wire(policy: wire::Policy) -> Option<Policy> {
    Some(Policy {
        vhost: name(policy.vhost)?,
        name: name(policy.name)?,
        pattern: Pattern::new(&policy.pattern),
        apply_to: ApplyTo::parse(&policy.apply_to)?,
        priority: policy.priority,
        definition: fields::from_wire(policy.definition)?,
    })
}

fn exchange_from_wire(exchange: wire::Exchange) -> Option<Exchange> {
    let kind = match wire::ExchangeKind::try_from(exchange.kind).ok()? {
        wire::ExchangeKind::None => return None,
        wire::ExchangeKind::Direct => ExchangeKind::Direct,
        wire::ExchangeKind::Fanout => ExchangeKind::Fanout,
        wire::ExchangeKind::Topic => ExchangeKind::Topic,
        wire::ExchangeKind::Headers => ExchangeKind::Headers,
        wire::ExchangeKind::ConsistentHash => ExchangeKind::ConsistentHash,
        wire::ExchangeKind::Random => ExchangeKind::Random,
        wire::ExchangeKind::LocalRandom => ExchangeKind::LocalRandom,
        wire::ExchangeKind::ModulusHash => ExchangeKind::ModulusHash,
        wire::ExchangeKind::RecentHistory => ExchangeKind::RecentHistory,
        wire::ExchangeKind::DelayedMessage => ExchangeKind::DelayedMessage,
    };
    Some(Exchange {
        vhost: name(exchange.vhost)?,
        name: name(exchange.name)?,
        kind,
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        arguments: fields::from_wire(exchange.arguments)?,
        history: None,
    })
}

fn queue_from_wire(queue: wire::Queue) -> Option<Queue> {
    Some(Queue {
        id: QueueId(queue.id),
        vhost: name(queue.vhost)?,
        name: name(queue.name)?,
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        owner: queue.owner.map(connection_from_wire),
        arguments: fields::from_wire(queue.arguments)?,
        declared_type: queue_type_from_wire(queue.declared_type)??,
        group: GroupId(queue.group),
        home: home_from_wire(queue.home?),
        created_at: Timestamp(queue.created_at),
        is_history: queue.is_history,
    })
}

fn binding_from_wire(binding: wire::Binding) -> Option<Binding> {
    use wire::binding::Destination as D;
    let destination = match binding.destination? {
        D::Queue(queue) => Destination::Queue(QueueId(queue)),
        D::Exchange(exchange) => Destination::Exchange(name(exchange)?),
    };
    Some(Binding {
        vhost: name(binding.vhost)?,
        source: name(binding.source)?,
        destination,
        routing_key: name(binding.routing_key)?,
        arguments: fields::from_wire(binding.arguments)?,
    })
}
