//! Commands of operators: policies, limits, topic permissions, parameters.

use metadata::{
    ClearTopicPermissions, DeleteParameter, DeletePolicy, PutGlobalParameter, PutParameter, PutPolicy,
    SetTopicPermissions, SetUserLimit, SetVhostLimit, TopicPermissions, UserLimit, VhostDefaults, VhostLimit,
    VhostLimits,
};

use super::{fields, names::name};
use crate::generated::metadata::{self as wire, user_limit, vhost_limit};

pub(super) fn policy_to_wire(c: &PutPolicy) -> wire::Policy {
    wire::Policy {
        vhost: c.vhost.bytes(),
        name: c.name.bytes(),
        pattern: c.pattern.clone(),
        priority: c.priority,
        apply_to: c.apply_to.bytes(),
        definition: fields::to_wire(&c.definition),
        operator: c.operator,
    }
}

pub(super) fn policy_from_wire(c: wire::Policy) -> Option<PutPolicy> {
    Some(PutPolicy {
        vhost: name(c.vhost)?,
        name: name(c.name)?,
        pattern: c.pattern,
        priority: c.priority,
        apply_to: name(c.apply_to)?,
        definition: fields::from_wire(c.definition)?,
        operator: c.operator,
    })
}

/// Nothing is written of those that say nothing.
pub(super) fn vhost_defaults_to_wire(defaults: &VhostDefaults) -> Option<wire::VhostDefaults> {
    (*defaults != VhostDefaults::default()).then(|| wire::VhostDefaults {
        max_connections: defaults.limits.max_connections,
        max_queues: defaults.limits.max_queues,
        operator_policies: defaults.operator_policies.iter().map(policy_to_wire).collect(),
    })
}

pub(super) fn vhost_defaults_from_wire(defaults: Option<wire::VhostDefaults>) -> Option<VhostDefaults> {
    let defaults = defaults.unwrap_or_default();
    let limits = VhostLimits { max_connections: defaults.max_connections, max_queues: defaults.max_queues };
    let operator_policies = defaults.operator_policies.into_iter().map(policy_from_wire).collect::<Option<_>>()?;
    Some(VhostDefaults { limits, operator_policies })
}

pub(super) fn delete_policy_to_wire(c: &DeletePolicy) -> wire::DeletePolicy {
    wire::DeletePolicy { vhost: c.vhost.bytes(), name: c.name.bytes(), operator: c.operator }
}

pub(super) fn delete_policy_from_wire(c: wire::DeletePolicy) -> Option<DeletePolicy> {
    Some(DeletePolicy { vhost: name(c.vhost)?, name: name(c.name)?, operator: c.operator })
}

pub(super) fn vhost_limit_to_wire(c: &SetVhostLimit) -> wire::VhostLimit {
    use vhost_limit::Limit as W;
    let limit = match c.limit {
        VhostLimit::MaxConnections => W::MaxConnections,
        VhostLimit::MaxQueues => W::MaxQueues,
    };
    wire::VhostLimit { vhost: c.vhost.bytes(), limit: limit.into(), value: c.value }
}

pub(super) fn vhost_limit_from_wire(c: wire::VhostLimit) -> Option<SetVhostLimit> {
    use vhost_limit::Limit as W;
    let limit = match W::try_from(c.limit).ok()? {
        W::None => return None,
        W::MaxConnections => VhostLimit::MaxConnections,
        W::MaxQueues => VhostLimit::MaxQueues,
    };
    Some(SetVhostLimit { vhost: name(c.vhost)?, limit, value: c.value })
}

pub(super) fn user_limit_to_wire(c: &SetUserLimit) -> wire::UserLimit {
    use user_limit::Limit as W;
    let limit = match c.limit {
        UserLimit::MaxConnections => W::MaxConnections,
        UserLimit::MaxChannels => W::MaxChannels,
    };
    wire::UserLimit { user: c.user.bytes(), limit: limit.into(), value: c.value }
}

pub(super) fn user_limit_from_wire(c: wire::UserLimit) -> Option<SetUserLimit> {
    use user_limit::Limit as W;
    let limit = match W::try_from(c.limit).ok()? {
        W::None => return None,
        W::MaxConnections => UserLimit::MaxConnections,
        W::MaxChannels => UserLimit::MaxChannels,
    };
    Some(SetUserLimit { user: name(c.user)?, limit, value: c.value })
}

pub(super) fn topic_permissions_to_wire(c: &SetTopicPermissions) -> wire::TopicPermissions {
    wire::TopicPermissions {
        user: c.user.bytes(),
        vhost: c.vhost.bytes(),
        exchange: c.exchange.bytes(),
        write: c.permissions.write.clone(),
        read: c.permissions.read.clone(),
    }
}

pub(super) fn topic_permissions_from_wire(c: wire::TopicPermissions) -> Option<SetTopicPermissions> {
    Some(SetTopicPermissions {
        user: name(c.user)?,
        vhost: name(c.vhost)?,
        exchange: name(c.exchange)?,
        permissions: TopicPermissions { write: c.write, read: c.read },
    })
}

pub(super) fn clear_topic_permissions_to_wire(c: &ClearTopicPermissions) -> wire::ClearTopicPermissions {
    wire::ClearTopicPermissions {
        user: c.user.bytes(),
        vhost: c.vhost.bytes(),
        exchange: c.exchange.as_ref().map(|exchange| exchange.bytes()),
    }
}

pub(super) fn clear_topic_permissions_from_wire(c: wire::ClearTopicPermissions) -> Option<ClearTopicPermissions> {
    let exchange = match c.exchange {
        None => None,
        Some(exchange) => Some(name(exchange)?),
    };
    Some(ClearTopicPermissions { user: name(c.user)?, vhost: name(c.vhost)?, exchange })
}

pub(super) fn parameter_to_wire(c: &PutParameter) -> wire::Parameter {
    wire::Parameter {
        vhost: c.vhost.bytes(),
        component: c.component.bytes(),
        name: c.name.bytes(),
        value: c.value.clone(),
    }
}

pub(super) fn parameter_from_wire(c: wire::Parameter) -> Option<PutParameter> {
    Some(PutParameter { vhost: name(c.vhost)?, component: name(c.component)?, name: name(c.name)?, value: c.value })
}

pub(super) fn delete_parameter_to_wire(c: &DeleteParameter) -> wire::DeleteParameter {
    wire::DeleteParameter { vhost: c.vhost.bytes(), component: c.component.bytes(), name: c.name.bytes() }
}

pub(super) fn delete_parameter_from_wire(c: wire::DeleteParameter) -> Option<DeleteParameter> {
    Some(DeleteParameter { vhost: name(c.vhost)?, component: name(c.component)?, name: name(c.name)? })
}

pub(super) fn global_parameter_to_wire(c: &PutGlobalParameter) -> wire::GlobalParameter {
    wire::GlobalParameter { name: c.name.bytes(), value: c.value.clone() }
}

pub(super) fn global_parameter_from_wire(c: wire::GlobalParameter) -> Option<PutGlobalParameter> {
    Some(PutGlobalParameter { name: name(c.name)?, value: c.value })
}
