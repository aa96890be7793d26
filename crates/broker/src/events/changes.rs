//! Changes of metadata, as events. Who made a change is not known here: RabbitMQ's word for that is `unknown`.

use metadata::{Binding, Destination, Event, Machine};
use types::{ShortStr, Timestamp};

use super::{Broker, Facts, Known};

impl Broker {
    /// Tells of changes, if this node is the one that does. The machine is in the state after them.
    pub(crate) fn tell_changes(&self, machine: &Machine, events: &[Event]) {
        if !self.is_attached() {
            return;
        }
        let is_teller = self.groups().shards().first().is_some_and(|first| self.groups().is_leader(*first));
        for event in events {
            if let Event::UserChanged { user } = event {
                self.user_changed(machine, user, is_teller);
            } else if let Event::UserDeleted { user } = event {
                self.events().users.lock().remove(user);
            }
            if is_teller {
                self.tell_change(machine, event);
            }
        }
    }

    fn tell_change(&self, machine: &Machine, event: &Event) {
        match event {
            Event::VhostCreated { vhost } => self.tell("vhost.created", named(vhost)),
            Event::VhostDeleted { vhost } => self.tell("vhost.deleted", named(vhost)),
            Event::UserDeleted { user } => self.tell("user.deleted", named(user)),
            Event::PermissionsChanged { user, vhost } => self.tell_permissions(machine, user, vhost),
            Event::TopicPermissionsChanged { user, vhost } => {
                self.tell("topic.permission.created", in_vhost("user", user, vhost));
            }
            Event::ExchangeDeclared { vhost, name, .. } => self.tell("exchange.created", |facts| {
                in_vhost("name", name, vhost)(facts);
                if let Some(exchange) = machine.exchange(vhost.as_bytes(), name.as_bytes()) {
                    facts.string("type", exchange.kind.as_str());
                    facts.flag("durable", exchange.durable);
                    facts.flag("auto_delete", exchange.auto_delete);
                    facts.flag("internal", exchange.internal);
                    facts.table("arguments", exchange.arguments.clone());
                }
            }),
            Event::ExchangeDeleted { vhost, name } => self.tell("exchange.deleted", in_vhost("name", name, vhost)),
            Event::QueueDeclared { vhost, name, queue, .. } => self.tell("queue.created", |facts| {
                in_vhost("name", name, vhost)(facts);
                if let Some(queue) = machine.queue_by_id(*queue) {
                    facts.flag("durable", queue.durable);
                    facts.flag("auto_delete", queue.auto_delete);
                    facts.flag("exclusive", queue.owner.is_some());
                    facts.table("arguments", queue.arguments.clone());
                    facts.string("type", &format!("rabbit_{}_queue", queue.declared_type.as_str()));
                }
            }),
            Event::QueueDeleted { vhost, name, .. } => self.tell("queue.deleted", in_vhost("name", name, vhost)),
            Event::Bound(binding) => self.tell("binding.created", bound(machine, binding)),
            Event::Unbound(binding) => self.tell("binding.deleted", bound(machine, binding)),
            Event::PolicyChanged { vhost, name, operator } => self.tell_policy(machine, vhost, name, *operator),
            Event::ParameterChanged { vhost, component, name } => self.tell("parameter.set", |facts| {
                in_vhost("name", name, vhost)(facts);
                facts.text("component", component);
            }),
            Event::UserChanged { .. }
            | Event::VhostChanged { .. }
            | Event::ExchangeChanged { .. }
            | Event::QueueSettingsChanged { .. }
            | Event::GlobalParameterChanged { .. }
            | Event::ClusterChanged => {}
        }
    }

    fn user_changed(&self, machine: &Machine, name: &ShortStr, is_teller: bool) {
        let Some(user) = machine.user(name.as_bytes()) else { return };
        let now = Known::of(user);
        let before = self.events().users.lock().insert(name.clone(), now.clone());
        if !is_teller {
            return;
        }
        let Some(before) = before else {
            self.tell("user.created", named(name));
            return;
        };
        match (&before.password, &now.password) {
            (Some(_), None) => self.tell("user.password.cleared", named(name)),
            (old, new) if old != new => self.tell("user.password.changed", named(name)),
            _ => {}
        }
        if before.tags != now.tags {
            self.tell("user.tags.set", |facts| {
                named(name)(facts);
                let tags: Vec<String> = now.tags.iter().map(ShortStr::to_string).collect();
                facts.string("tags", &tags.join(","));
            });
        }
    }

    fn tell_permissions(&self, machine: &Machine, user: &ShortStr, vhost: &ShortStr) {
        let Some(permissions) = machine.permissions(user.as_bytes(), vhost.as_bytes()) else {
            self.tell("permission.deleted", in_vhost("user", user, vhost));
            return;
        };
        self.tell("permission.created", |facts| {
            in_vhost("user", user, vhost)(facts);
            facts.string("configure", &permissions.configure);
            facts.string("write", &permissions.write);
            facts.string("read", &permissions.read);
        });
    }

    fn tell_policy(&self, machine: &Machine, vhost: &ShortStr, name: &ShortStr, operator: bool) {
        let Some(policy) = machine.policy(vhost.as_bytes(), name.as_bytes(), operator) else {
            self.tell("policy.cleared", in_vhost("name", name, vhost));
            return;
        };
        self.tell("policy.set", |facts| {
            in_vhost("name", name, vhost)(facts);
            facts.string("pattern", policy.pattern.text());
            facts.string("apply-to", policy.apply_to.as_str());
            facts.number("priority", policy.priority);
            facts.table("definition", policy.definition.clone());
        });
    }

    /// The node's alarm was raised or cleared.
    pub(crate) fn tell_alarm(&self, reason: Option<&ShortStr>) {
        let event = if reason.is_some() { "alarm.set" } else { "alarm.cleared" };
        self.tell(event, |facts| {
            if let Some(reason) = reason {
                facts.text("reason", reason);
            }
            facts.text("node", &self.config().node_name);
        });
    }
}

/// A time, as headers have it.
pub(super) fn milliseconds(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn named(name: &ShortStr) -> impl FnOnce(&mut Facts) {
    move |facts| {
        facts.text("name", name);
        facts.string("user_who_performed_action", "unknown");
    }
}

fn in_vhost(what: &'static str, name: &ShortStr, vhost: &ShortStr) -> impl FnOnce(&mut Facts) {
    move |facts| {
        facts.text(what, name);
        facts.text("vhost", vhost);
        facts.string("user_who_performed_action", "unknown");
    }
}

fn bound(machine: &Machine, binding: &Binding) -> impl FnOnce(&mut Facts) {
    move |facts| {
        facts.text("source_name", &binding.source);
        facts.string("source_kind", "exchange");
        match &binding.destination {
            Destination::Queue(queue) => {
                let name = machine.queue_by_id(*queue).map(|queue| queue.name.clone()).unwrap_or_default();
                facts.text("destination_name", &name);
                facts.string("destination_kind", "queue");
            }
            Destination::Exchange(name) => {
                facts.text("destination_name", name);
                facts.string("destination_kind", "exchange");
            }
        }
        facts.text("routing_key", &binding.routing_key);
        facts.table("arguments", binding.arguments.clone());
        facts.text("vhost", &binding.vhost);
        facts.string("user_who_performed_action", "unknown");
    }
}
