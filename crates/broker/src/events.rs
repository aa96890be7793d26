//! Events: what happens in the cluster, as messages to `amq.rabbitmq.event` in the first virtual host, as RabbitMQ's event
//! exchange has them. What happens on a node is told by that node, what happens to metadata by the node that leads the first
//! shard group. Nothing is made unless a queue is bound for it.

mod changes;
mod sessions;

use std::collections::BTreeMap;

use amqp_codec::{BasicProperties, properties::PERSISTENT};
use bytes::Bytes;
use metadata::{Machine, PasswordHash};
use parking_lot::Mutex;
use replication::clock;
use types::{FieldValue, ShortStr};

use crate::{announce::Target, broker::Broker, facts::Facts};

const VHOST: ShortStr = ShortStr::from_static("/");
const EXCHANGE: ShortStr = ShortStr::from_static("amq.rabbitmq.event");

/// What has to be remembered to tell one change from another.
#[derive(Debug, Default)]
pub(crate) struct Events {
    users: Mutex<BTreeMap<ShortStr, Known>>,
}

/// A user as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    password: Option<PasswordHash>,
    tags: Vec<ShortStr>,
}

impl Events {
    /// Metadata was replaced as a whole.
    pub(crate) fn rebuild(&self, machine: &Machine) {
        let users = machine.users().map(|user| (user.name.clone(), Known::of(user)));
        *self.users.lock() = users.collect();
    }
}

impl Known {
    fn of(user: &metadata::User) -> Self {
        Known { password: user.password.clone(), tags: user.tags.clone() }
    }
}

impl Broker {
    /// Tells of an event.
    pub(crate) fn tell(&self, event: &'static str, describe: impl FnOnce(&mut Facts)) {
        let Some(announcer) = self.announcer() else { return };
        let routing_key = &Bytes::from_static(event.as_bytes());
        let target = Target { vhost: &VHOST, exchange: &EXCHANGE, routing_key };
        announcer.publish(self, target, &[Bytes::new()], || {
            let now = clock::now();
            let mut facts = Facts::default();
            describe(&mut facts);
            facts.push("timestamp_in_ms", FieldValue::I64(i64::try_from(now.0).unwrap_or(i64::MAX)));
            let headers = Some(facts.into_table());
            let (delivery_mode, timestamp) = (Some(PERSISTENT), Some(now.0 / 1000));
            BasicProperties { headers, delivery_mode, timestamp, ..BasicProperties::default() }.to_bytes()
        });
    }
}
