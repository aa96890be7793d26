//! Metadata commands, snapshots of the machines that they make, and definitions.

use bytes::Bytes;
use metadata::{
    Admission, Bootstrap, Cluster, ClusterCommand, Command, ConnectionId, DeclareExchange, DeclareQueue,
    DeleteExchange, DeletePolicy, HashAlgorithm, Home, Machine, Member, MemberState, NodeGone, PasswordHash,
    SetPassword, VhostDefaults,
};
use proto::metadata::{encode_command, encode_snapshot};
use serde_json::{Value, json};
use types::{FieldTable, GroupId, NodeId, QueueId, ShortStr, Timestamp};

use super::Seed;
use crate::input::piece;

const VHOST: ShortStr = ShortStr::from_static("/");
const USER: ShortStr = ShortStr::from_static("guest");
const NAME: ShortStr = ShortStr::from_static("q");

pub(super) fn seeds() -> Vec<Seed> {
    let document = document();
    let imported = management::fuzzing::commands(&document).expect("the document is sound");
    let mut seeds = vec![
        Seed::new("definitions", "all", document.to_string()),
        Seed::new("definitions", "old", old_document().to_string()),
    ];
    for (name, commands) in [("import", imported), ("clients", clients()), ("cluster", cluster())] {
        let pieces = commands.iter().flat_map(|command| piece(&encode_command(command)));
        seeds.push(Seed::new("metadata_commands", name, pieces.collect::<Vec<u8>>()));
        let mut machine = Machine::new();
        for (now, command) in (1..).zip(&commands) {
            machine.apply(command, Timestamp(now));
        }
        let segments = encode_snapshot(&machine);
        let pieces = segments.iter().flat_map(|(_, segment)| piece(segment));
        seeds.push(Seed::new("metadata_snapshots", name, pieces.collect::<Vec<u8>>()));
    }
    seeds
}

/// A document with an item of each kind.
fn document() -> Value {
    json!({
        "vhosts": [{"name": "/", "metadata": {"description": "first", "tags": ["a"]}, "default_queue_type": "quorum",
            "limits": [{"name": "max-queues", "value": 100}]}],
        "users": [{"name": "u", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
            "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["administrator"],
            "limits": {"max-connections": 5}}],
        "permissions": [{"user": "u", "vhost": "/", "configure": "^a", "write": ".*", "read": ""}],
        "topic_permissions": [{"user": "u", "vhost": "/", "exchange": "t", "write": "{username}", "read": "^x"}],
        "global_parameters": [{"name": "cluster_name", "value": "c"}],
        "parameters": [
            {"vhost": "/", "component": "federation-upstream", "name": "up", "value": {"uri": "amqp://host"}},
            {"vhost": "/", "component": "vhost-limits", "name": "limits", "value": {"max-connections": 10}},
            {"vhost": "/", "component": "operator_policy", "name": "op",
                "value": {"pattern": "^q", "priority": 1, "apply-to": "queues", "definition": {"max-length": 10}}}],
        "policies": [{"vhost": "/", "name": "p", "pattern": "^(q|t)", "priority": 2, "apply-to": "all",
            "definition": {"dead-letter-exchange": "d", "message-ttl": 1000}}],
        "exchanges": [{"vhost": "/", "name": "t", "type": "topic", "arguments": {"alternate-exchange": "d"}},
            {"vhost": "/", "name": "d", "type": "fanout", "durable": false, "internal": true}],
        "queues": [{"vhost": "/", "name": "q", "arguments": {"x-max-length": 5, "x-overflow": "reject-publish"}},
            {"vhost": "/", "name": "r", "durable": false, "auto_delete": true}],
        "bindings": [{"vhost": "/", "source": "t", "destination": "q", "destination_type": "queue",
                "routing_key": "a.#", "arguments": {"k": [1, 0.5, null, true]}},
            {"vhost": "/", "source": "t", "destination": "d", "destination_type": "exchange", "routing_key": ""}],
    })
}

/// As older versions of RabbitMQ write it.
fn old_document() -> Value {
    json!({
        "rabbit_version": "3.5.0",
        "vhosts": [{"name": "v", "limits": [["max-queues", 3]]}],
        "users": [{"name": "u", "password_hash": "", "tags": "administrator, management"}, {"name": "p", "password": "x"}],
        "exchanges": [{"vhost": "v", "name": "x", "type": "headers", "arguments": [["a", 1]]}],
        "queues": null,
    })
}

fn declare(name: ShortStr, exclusive: bool) -> Command {
    Command::DeclareQueue(DeclareQueue {
        vhost: VHOST,
        name,
        server_named: false,
        durable: !exclusive,
        auto_delete: false,
        exclusive,
        default_type: None,
        arguments: FieldTable::default(),
        connection: ConnectionId { node: NodeId(1), serial: 8 },
        home: Home { node: NodeId(1), boot: 2 },
        group: GroupId(1),
    })
}

/// What clients and operators do one by one.
fn clients() -> Vec<Command> {
    let password = PasswordHash { algorithm: HashAlgorithm::Sha256, salted: Bytes::from_static(&[7; 36]) };
    let exchange = DeclareExchange {
        vhost: VHOST,
        name: NAME,
        kind: ShortStr::from_static("x-recent-history"),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::default(),
        history: Some(GroupId(1)),
    };
    vec![
        Command::Bootstrap(Bootstrap {
            vhost: VHOST,
            user: USER,
            password: password.clone(),
            defaults: VhostDefaults::default(),
        }),
        Command::SetPassword(SetPassword { user: USER, password: Some(password) }),
        declare(NAME, false),
        declare(ShortStr::from_static("mine"), true),
        Command::DeclareExchange(exchange),
        Command::DeleteExclusive { connection: ConnectionId { node: NodeId(1), serial: 8 } },
        Command::NodeGone(NodeGone { home: Home { node: NodeId(1), boot: 2 }, heir: None }),
        Command::DeleteExchange(DeleteExchange { vhost: VHOST, name: NAME, if_unused: true }),
        Command::DeletePolicy(DeletePolicy { vhost: VHOST, name: NAME, operator: true }),
        Command::DeleteQueue { queue: QueueId(1) },
    ]
}

/// Nodes come and go.
fn cluster() -> Vec<Command> {
    let member = |node: u64| Member {
        node: NodeId(node),
        name: ShortStr::truncated(&format!("n{node}")),
        uuid: Bytes::from(format!("disk {node}")),
        address: format!("host-{node}:1"),
        state: MemberState::Up,
        replaces: None,
    };
    let newcomer = Admission {
        name: ShortStr::from_static("n3"),
        uuid: Bytes::from_static(b"another disk"),
        address: "host-4:1".to_owned(),
        replaces: Some(NodeId(3)),
    };
    let (node, group, wanted) = (NodeId(3), GroupId(1), [NodeId(1), NodeId(2), NodeId(4)].into());
    let commands = [
        ClusterCommand::Record(Cluster::founded((1..=3).map(member), 2)),
        ClusterCommand::Admit(newcomer),
        ClusterCommand::SetState { node: NodeId(4), state: MemberState::Up, force: false },
        ClusterCommand::SetState { node, state: MemberState::Leaving, force: true },
        ClusterCommand::Place { group, wanted, round: 0 },
        ClusterCommand::Moved { group, voters: [NodeId(1), NodeId(4)].into(), round: 1, index: 30 },
        ClusterCommand::Prefer { group, leader: Some(NodeId(2)) },
        ClusterCommand::Remove { node, heir: Some(Home { node: NodeId(1), boot: 2 }) },
    ];
    commands.into_iter().map(Command::Cluster).collect()
}
