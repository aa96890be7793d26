//! Commands of the metadata log.

use bytes::Bytes;
use metadata::{
    Bind, Bootstrap, ClearPermissions, Command, DeclareExchange, DeclareQueue, DeleteExchange, NodeGone, Permissions,
    PutUser, PutVhost, SetPassword, SetPermissions, SetTags, Target, Unbind,
};
use types::{GroupId, QueueId, ShortStr};

use super::{
    administration as admin, cluster, fields,
    names::{
        connection_from_wire, connection_to_wire, home_from_wire, home_to_wire, name, names_from_wire, names_to_wire,
        password_from_wire, password_to_wire, queue_type_from_wire, queue_type_to_wire, some_password,
    },
};
use crate::{
    DecodeError,
    generated::metadata::{self as wire, command::Command as W},
};

pub(super) fn to_wire(command: &Command) -> W {
    match command {
        Command::Bootstrap(c) => W::Bootstrap(wire::Bootstrap {
            vhost: c.vhost.bytes(),
            user: c.user.bytes(),
            password: Some(password_to_wire(&c.password)),
            defaults: admin::vhost_defaults_to_wire(&c.defaults),
        }),
        Command::PutVhost(c) => W::PutVhost(put_vhost_to_wire(c)),
        Command::DeleteVhost { vhost } => W::DeleteVhost(wire::Name { name: vhost.bytes() }),
        Command::PutUser(c) => W::PutUser(wire::PutUser {
            user: c.user.bytes(),
            password: c.password.as_ref().map(password_to_wire),
            tags: names_to_wire(&c.tags),
            max_connections: None,
            max_channels: None,
        }),
        Command::DeleteUser { user } => W::DeleteUser(wire::Name { name: user.bytes() }),
        Command::SetPassword(c) => W::SetPassword(wire::SetPassword {
            user: c.user.bytes(),
            password: c.password.as_ref().map(password_to_wire),
        }),
        Command::SetTags(c) => W::SetTags(wire::SetTags { user: c.user.bytes(), tags: names_to_wire(&c.tags) }),
        Command::SetPermissions(c) => W::SetPermissions(permissions_to_wire(c)),
        Command::ClearPermissions(c) => {
            W::ClearPermissions(wire::ClearPermissions { user: c.user.bytes(), vhost: c.vhost.bytes() })
        }
        Command::DeclareExchange(c) => W::DeclareExchange(declare_exchange_to_wire(c)),
        Command::DeleteExchange(c) => W::DeleteExchange(wire::DeleteExchange {
            vhost: c.vhost.bytes(),
            name: c.name.bytes(),
            if_unused: c.if_unused,
        }),
        Command::DeclareQueue(c) => W::DeclareQueue(declare_queue_to_wire(c)),
        Command::DeleteQueue { queue } => W::DeleteQueue(wire::DeleteQueue { queue: queue.0 }),
        Command::DeleteExclusive { connection } => W::DeleteExclusive(connection_to_wire(*connection)),
        Command::Bind(c) => W::Bind(bind_to_wire(c)),
        Command::Unbind(c) => W::Unbind(bind_to_wire(&bind_of(c))),
        Command::NodeGone(c) => {
            W::NodeGone(wire::NodeGone { home: Some(home_to_wire(c.home)), heir: c.heir.map(home_to_wire) })
        }
        Command::PutPolicy(c) => W::PutPolicy(admin::policy_to_wire(c)),
        Command::DeletePolicy(c) => W::DeletePolicy(admin::delete_policy_to_wire(c)),
        Command::SetVhostLimit(c) => W::SetVhostLimit(admin::vhost_limit_to_wire(c)),
        Command::SetUserLimit(c) => W::SetUserLimit(admin::user_limit_to_wire(c)),
        Command::SetTopicPermissions(c) => W::SetTopicPermissions(admin::topic_permissions_to_wire(c)),
        Command::ClearTopicPermissions(c) => W::ClearTopicPermissions(admin::clear_topic_permissions_to_wire(c)),
        Command::PutParameter(c) => W::PutParameter(admin::parameter_to_wire(c)),
        Command::DeleteParameter(c) => W::DeleteParameter(admin::delete_parameter_to_wire(c)),
        Command::PutGlobalParameter(c) => W::PutGlobalParameter(admin::global_parameter_to_wire(c)),
        Command::DeleteGlobalParameter { name } => W::DeleteGlobalParameter(wire::Name { name: name.bytes() }),
        Command::Cluster(c) => W::Cluster(cluster::command_to_wire(c)),
    }
}

fn put_vhost_to_wire(c: &PutVhost) -> wire::PutVhost {
    wire::PutVhost {
        vhost: c.vhost.bytes(),
        description: c.description.clone(),
        default_queue_type: queue_type_to_wire(c.default_queue_type),
        tags: c.tags.as_deref().map(|tags| wire::Names { names: names_to_wire(tags) }),
        tracing: c.tracing,
        protected: c.protected,
        defaults: admin::vhost_defaults_to_wire(&c.defaults),
    }
}

fn permissions_to_wire(c: &SetPermissions) -> wire::Permissions {
    wire::Permissions {
        user: c.user.bytes(),
        vhost: c.vhost.bytes(),
        configure: c.permissions.configure.clone(),
        write: c.permissions.write.clone(),
        read: c.permissions.read.clone(),
    }
}

fn declare_exchange_to_wire(c: &DeclareExchange) -> wire::DeclareExchange {
    wire::DeclareExchange {
        vhost: c.vhost.bytes(),
        name: c.name.bytes(),
        kind: c.kind.bytes(),
        durable: c.durable,
        auto_delete: c.auto_delete,
        internal: c.internal,
        arguments: fields::to_wire(&c.arguments),
        history: c.history.map(|group| group.0),
    }
}

fn declare_queue_to_wire(c: &DeclareQueue) -> wire::DeclareQueue {
    wire::DeclareQueue {
        vhost: c.vhost.bytes(),
        name: c.name.bytes(),
        server_named: c.server_named,
        durable: c.durable,
        auto_delete: c.auto_delete,
        exclusive: c.exclusive,
        arguments: fields::to_wire(&c.arguments),
        connection: Some(connection_to_wire(c.connection)),
        home: Some(home_to_wire(c.home)),
        group: c.group.0,
        default_type: queue_type_to_wire(c.default_type),
    }
}

fn bind_to_wire(c: &Bind) -> wire::Bind {
    use wire::bind::Destination as D;
    let destination = match &c.destination {
        Target::Queue(name) => D::Queue(name.bytes()),
        Target::Exchange(name) => D::Exchange(name.bytes()),
    };
    wire::Bind {
        vhost: c.vhost.bytes(),
        source: c.source.bytes(),
        destination: Some(destination),
        routing_key: c.routing_key.bytes(),
        arguments: fields::to_wire(&c.arguments),
        connection: Some(connection_to_wire(c.connection)),
    }
}

/// The two have the same fields, and the same form on the wire.
fn bind_of(c: &Unbind) -> Bind {
    Bind {
        vhost: c.vhost.clone(),
        source: c.source.clone(),
        destination: c.destination.clone(),
        routing_key: c.routing_key.clone(),
        arguments: c.arguments.clone(),
        connection: c.connection,
    }
}

pub(super) fn from_wire(command: W) -> Result<Command, DecodeError> {
    read(command).ok_or_else(|| DecodeError::new("metadata command"))
}

fn read(command: W) -> Option<Command> {
    Some(match command {
        W::Bootstrap(c) => Command::Bootstrap(Bootstrap {
            vhost: name(c.vhost)?,
            user: name(c.user)?,
            password: password_from_wire(c.password?)?,
            defaults: admin::vhost_defaults_from_wire(c.defaults)?,
        }),
        W::PutVhost(c) => Command::PutVhost(put_vhost(c)?),
        W::DeleteVhost(c) => Command::DeleteVhost { vhost: name(c.name)? },
        W::PutUser(c) => Command::PutUser(PutUser {
            user: name(c.user)?,
            password: some_password(c.password)?,
            tags: names_from_wire(c.tags)?,
        }),
        W::DeleteUser(c) => Command::DeleteUser { user: name(c.name)? },
        W::SetPassword(c) => {
            Command::SetPassword(SetPassword { user: name(c.user)?, password: some_password(c.password)? })
        }
        W::SetTags(c) => Command::SetTags(SetTags { user: name(c.user)?, tags: names_from_wire(c.tags)? }),
        W::SetPermissions(c) => Command::SetPermissions(SetPermissions {
            user: name(c.user)?,
            vhost: name(c.vhost)?,
            permissions: Permissions { configure: c.configure, write: c.write, read: c.read },
        }),
        W::ClearPermissions(c) => {
            Command::ClearPermissions(ClearPermissions { user: name(c.user)?, vhost: name(c.vhost)? })
        }
        W::DeclareExchange(c) => Command::DeclareExchange(declare_exchange(c)?),
        W::DeleteExchange(c) => Command::DeleteExchange(DeleteExchange {
            vhost: name(c.vhost)?,
            name: name(c.name)?,
            if_unused: c.if_unused,
        }),
        W::DeclareQueue(c) => Command::DeclareQueue(declare_queue(c)?),
        W::DeleteQueue(c) => Command::DeleteQueue { queue: QueueId(c.queue) },
        W::DeleteExclusive(c) => Command::DeleteExclusive { connection: connection_from_wire(c) },
        W::Bind(c) => Command::Bind(bind(c)?),
        W::Unbind(c) => Command::Unbind(unbind(bind(c)?)),
        W::NodeGone(c) => {
            Command::NodeGone(NodeGone { home: home_from_wire(c.home?), heir: c.heir.map(home_from_wire) })
        }
        W::PutPolicy(c) => Command::PutPolicy(admin::policy_from_wire(c)?),
        W::DeletePolicy(c) => Command::DeletePolicy(admin::delete_policy_from_wire(c)?),
        W::SetVhostLimit(c) => Command::SetVhostLimit(admin::vhost_limit_from_wire(c)?),
        W::SetUserLimit(c) => Command::SetUserLimit(admin::user_limit_from_wire(c)?),
        W::SetTopicPermissions(c) => Command::SetTopicPermissions(admin::topic_permissions_from_wire(c)?),
        W::ClearTopicPermissions(c) => Command::ClearTopicPermissions(admin::clear_topic_permissions_from_wire(c)?),
        W::PutParameter(c) => Command::PutParameter(admin::parameter_from_wire(c)?),
        W::DeleteParameter(c) => Command::DeleteParameter(admin::delete_parameter_from_wire(c)?),
        W::PutGlobalParameter(c) => Command::PutGlobalParameter(admin::global_parameter_from_wire(c)?),
        W::DeleteGlobalParameter(c) => Command::DeleteGlobalParameter { name: name(c.name)? },
        W::Cluster(c) => Command::Cluster(cluster::command_from_wire(c)?),
    })
}

fn put_vhost(c: wire::PutVhost) -> Option<PutVhost> {
    let tags = match c.tags {
        None => None,
        Some(tags) => Some(names_from_wire(tags.names)?),
    };
    Some(PutVhost {
        vhost: name(c.vhost)?,
        description: c.description,
        tags,
        default_queue_type: queue_type_from_wire(c.default_queue_type)?,
        tracing: c.tracing,
        protected: c.protected,
        defaults: admin::vhost_defaults_from_wire(c.defaults)?,
    })
}

fn declare_exchange(c: wire::DeclareExchange) -> Option<DeclareExchange> {
    Some(DeclareExchange {
        vhost: name(c.vhost)?,
        name: name(c.name)?,
        kind: name(c.kind)?,
        durable: c.durable,
        auto_delete: c.auto_delete,
        internal: c.internal,
        arguments: fields::from_wire(c.arguments)?,
        history: c.history.map(GroupId),
    })
}

fn declare_queue(c: wire::DeclareQueue) -> Option<DeclareQueue> {
    Some(DeclareQueue {
        vhost: name(c.vhost)?,
        name: name(c.name)?,
        server_named: c.server_named,
        durable: c.durable,
        auto_delete: c.auto_delete,
        exclusive: c.exclusive,
        arguments: fields::from_wire(c.arguments)?,
        connection: connection_from_wire(c.connection?),
        home: home_from_wire(c.home?),
        group: GroupId(c.group),
        default_type: queue_type_from_wire(c.default_type)?,
    })
}

fn bind(c: wire::Bind) -> Option<Bind> {
    use wire::bind::Destination as D;
    let target = |bytes: Bytes, of: fn(ShortStr) -> Target| name(bytes).map(of);
    let destination = match c.destination? {
        D::Queue(queue) => target(queue, Target::Queue)?,
        D::Exchange(exchange) => target(exchange, Target::Exchange)?,
    };
    Some(Bind {
        vhost: name(c.vhost)?,
        source: name(c.source)?,
        destination,
        routing_key: name(c.routing_key)?,
        arguments: fields::from_wire(c.arguments)?,
        connection: connection_from_wire(c.connection?),
    })
}

fn unbind(c: Bind) -> Unbind {
    Unbind {
        vhost: c.vhost,
        source: c.source,
        destination: c.destination,
        routing_key: c.routing_key,
        arguments: c.arguments,
        connection: c.connection,
    }
}
