//! A machine with one vhost and one user, and short words to talk to it.

use bytes::Bytes;
use metadata::{
    Bind, Bootstrap, Change, Command, ConnectionId, DeclareExchange, DeclareQueue, DeleteExchange, Event,
    HashAlgorithm, Home, Machine, NodeGone, PasswordHash, QueueSettings, Refusal, Reply, Target, Unbind, VhostDefaults,
};
use types::{FieldTable, FieldValue, GroupId, NodeId, QueueId, ShortStr, Timestamp};

pub(crate) const VHOST: ShortStr = ShortStr::from_static("/");
pub(crate) const NODE: NodeId = NodeId(1);

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn s(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

pub(crate) fn text(text: &'static str) -> FieldValue {
    FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
}

pub(crate) fn table(fields: &[(&'static str, FieldValue)]) -> FieldTable {
    FieldTable(fields.iter().map(|(name, value)| (s(name), value.clone())).collect())
}

pub(crate) fn connection(serial: u64) -> ConnectionId {
    ConnectionId { node: NODE, serial }
}

pub(crate) fn password() -> PasswordHash {
    PasswordHash { algorithm: HashAlgorithm::Sha256, salted: Bytes::from_static(b"salt and digest") }
}

pub(crate) fn queue(name: &'static str) -> DeclareQueue {
    DeclareQueue {
        vhost: VHOST,
        name: s(name),
        default_type: None,
        server_named: false,
        durable: true,
        auto_delete: false,
        exclusive: false,
        arguments: FieldTable::default(),
        connection: connection(1),
        home: Home { node: NODE, boot: 10 },
        group: GroupId(3),
    }
}

pub(crate) fn exchange(name: &'static str, kind: &'static str) -> DeclareExchange {
    DeclareExchange {
        vhost: VHOST,
        name: s(name),
        kind: s(kind),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::default(),
        history: Some(GroupId(3)),
    }
}

pub(crate) fn bind(source: &'static str, destination: Target, key: &'static str) -> Bind {
    Bind {
        vhost: VHOST,
        source: s(source),
        destination,
        routing_key: s(key),
        arguments: FieldTable::default(),
        connection: connection(1),
    }
}

pub(crate) fn to_queue(name: &'static str) -> Target {
    Target::Queue(s(name))
}

pub(crate) fn to_exchange(name: &'static str) -> Target {
    Target::Exchange(s(name))
}

pub(crate) fn unbind_of(c: &Bind) -> Unbind {
    Unbind {
        vhost: c.vhost.clone(),
        source: c.source.clone(),
        destination: c.destination.clone(),
        routing_key: c.routing_key.clone(),
        arguments: c.arguments.clone(),
        connection: c.connection,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = World { machine: Machine::new(), events: Vec::new() };
        let bootstrap =
            Bootstrap { vhost: VHOST, user: s("guest"), password: password(), defaults: VhostDefaults::default() };
        assert_eq!(world.apply(Command::Bootstrap(bootstrap)), Reply::Done(Change::Created));
        world
    }

    /// Applies a command; its events replace those of the one before.
    pub(crate) fn apply(&mut self, command: Command) -> Reply {
        let before = self.machine.clone();
        let known = self.machine.answer_if_unchanged(&command);
        let refusal = self.machine.refusal_now(&command);
        let (reply, events) = self.machine.apply(&command, Timestamp(1_000));
        self.machine.check().expect("invariants hold after every command");
        if let Some(known) = known {
            assert_eq!((&reply, self.machine == before, events.len()), (&known, true, 0), "{command:?}");
        }
        match &reply {
            Reply::Refused(refused) => {
                assert!(self.machine == before && events.is_empty(), "a refused command left a trace: {command:?}");
                assert!(refusal.is_none_or(|refusal| refusal == *refused));
            }
            // Of a policy, the pattern is checked before alone.
            Reply::Done(_) if matches!(command, Command::PutPolicy(_)) => {}
            Reply::Done(_) | Reply::Queue { .. } | Reply::Deleted { .. } | Reply::Admitted { .. } => {
                assert_eq!(refusal, None)
            }
        }
        self.events = events;
        reply
    }

    pub(crate) fn declare(&mut self, c: DeclareQueue) -> QueueId {
        match self.apply(Command::DeclareQueue(c)) {
            Reply::Queue { queue, .. } => queue,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn declare_exchange(&mut self, c: DeclareExchange) -> Change {
        done(self.apply(Command::DeclareExchange(c)))
    }

    pub(crate) fn delete_exchange(&mut self, name: &'static str) -> Change {
        done(self.apply(Command::DeleteExchange(DeleteExchange { vhost: VHOST, name: s(name), if_unused: false })))
    }

    pub(crate) fn bind(&mut self, c: Bind) -> Change {
        done(self.apply(Command::Bind(c)))
    }

    pub(crate) fn unbind(&mut self, c: &Bind) -> Change {
        done(self.apply(Command::Unbind(unbind_of(c))))
    }

    /// What a proposer is told, when that is not what the machine would say.
    pub(crate) fn refused_before(&self, command: &Command) -> Refusal {
        self.machine.refusal_now(command).expect("it is not to be proposed")
    }

    pub(crate) fn refused(&mut self, command: Command) -> Refusal {
        match self.apply(command) {
            Reply::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn deleted(&mut self, command: Command) -> Vec<QueueId> {
        match self.apply(command) {
            Reply::Deleted { existed, queues } => {
                assert_eq!(existed, !queues.is_empty());
                queues.into_iter().map(|(id, _)| id).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn node_gone(&mut self, boot: u64, heir: Option<Home>) -> Vec<QueueId> {
        self.deleted(Command::NodeGone(NodeGone { home: Home { node: NODE, boot }, heir }))
    }

    pub(crate) fn has_exchange(&self, name: &str) -> bool {
        self.machine.exchange(b"/", name.as_bytes()).is_some()
    }

    pub(crate) fn has_queue(&self, name: &str) -> bool {
        self.machine.queue(b"/", name.as_bytes()).is_some()
    }

    /// What is in force for a queue that is there.
    pub(crate) fn settings(&self, queue: &str) -> QueueSettings {
        let queue = self.machine.queue(b"/", queue.as_bytes()).expect("it was declared");
        self.machine.effective_queue(queue)
    }

    /// What happened, in words.
    pub(crate) fn story(&self) -> Vec<String> {
        self.events.iter().map(word).collect()
    }
}

pub(crate) fn done(reply: Reply) -> Change {
    match reply {
        Reply::Done(change) => change,
        other => panic!("{other:?}"),
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::VhostCreated { vhost } => format!("+vhost {vhost}"),
        Event::VhostChanged { vhost } => format!("~vhost {vhost}"),
        Event::VhostDeleted { vhost } => format!("-vhost {vhost}"),
        Event::UserChanged { user } => format!("~user {user}"),
        Event::UserDeleted { user } => format!("-user {user}"),
        Event::PermissionsChanged { user, vhost } => format!("~permissions {user} {vhost}"),
        Event::ExchangeDeclared { name, .. } => format!("+exchange {name}"),
        Event::ExchangeDeleted { name, .. } => format!("-exchange {name}"),
        Event::QueueDeclared { name, queue, .. } => format!("+queue {name} {queue}"),
        Event::QueueDeleted { name, queue, .. } => format!("-queue {name} {queue}"),
        Event::ExchangeChanged { name, alternate, .. } => match alternate {
            Some(alternate) => format!("~exchange {name} {alternate}"),
            None => format!("~exchange {name}"),
        },
        Event::QueueSettingsChanged { queue, .. } => format!("~queue {queue}"),
        Event::TopicPermissionsChanged { user, vhost } => format!("~topics {user} {vhost}"),
        Event::PolicyChanged { name, operator: false, .. } => format!("~policy {name}"),
        Event::PolicyChanged { name, operator: true, .. } => format!("~operator policy {name}"),
        Event::ParameterChanged { component, name, .. } => format!("~parameter {component} {name}"),
        Event::ClusterChanged => "~cluster".to_owned(),
        Event::GlobalParameterChanged { name } => format!("~global parameter {name}"),
        Event::Bound(binding) => format!("+binding {} {}", binding.source, binding.routing_key),
        Event::Unbound(binding) => format!("-binding {} {}", binding.source, binding.routing_key),
    }
}
