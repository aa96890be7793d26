//! Random commands over a few names, so that they meet each other.

use bytes::Bytes;
use metadata::{
    Admission, Bind, Bootstrap, ClearPermissions, ClearTopicPermissions, Cluster, ClusterCommand, Command,
    ConnectionId, DeclareExchange, DeclareQueue, DeleteExchange, DeleteParameter, DeletePolicy, HashAlgorithm, Home,
    Member, MemberState, NodeGone, PasswordHash, Permissions, PutGlobalParameter, PutParameter, PutPolicy, PutUser,
    PutVhost, QueueType, SetPassword, SetPermissions, SetTags, SetTopicPermissions, SetUserLimit, SetVhostLimit,
    Target, TopicPermissions, Unbind, UserLimit, VhostDefaults, VhostLimit, VhostLimits,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use types::{FieldTable, FieldValue, GroupId, NodeId, QueueId, ShortStr};

pub(crate) fn commands(max: usize) -> impl Strategy<Value = Vec<Command>> {
    let first = Command::Bootstrap(Bootstrap {
        vhost: ShortStr::from_static("/"),
        user: ShortStr::from_static("guest"),
        password: PasswordHash { algorithm: HashAlgorithm::Sha256, salted: Bytes::from_static(b"12345678") },
        defaults: VhostDefaults::default(),
    });
    vec(command(), 0..max).prop_map(move |mut commands| {
        commands.insert(0, first.clone());
        commands
    })
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => administration(),
        2 => cluster().prop_map(Command::Cluster),
        1 => limits_and_parameters(),
        3 => policy(),
        1 => vhost_name().prop_map(|vhost| Command::DeleteVhost { vhost }),
        4 => declare_exchange().prop_map(Command::DeclareExchange),
        2 => (vhost_name(), exchange_name(), any::<bool>())
            .prop_map(|(vhost, name, if_unused)| Command::DeleteExchange(DeleteExchange { vhost, name, if_unused })),
        8 => declare_queue().prop_map(Command::DeclareQueue),
        2 => (1..30_u64).prop_map(|id| Command::DeleteQueue { queue: QueueId(id) }),
        1 => connection().prop_map(|connection| Command::DeleteExclusive { connection }),
        10 => bind().prop_map(Command::Bind),
        4 => bind().prop_map(|c| Command::Unbind(Unbind {
            vhost: c.vhost,
            source: c.source,
            destination: c.destination,
            routing_key: c.routing_key,
            arguments: c.arguments,
            connection: c.connection,
        })),
        1 => (home(), option::of(home())).prop_map(|(home, heir)| Command::NodeGone(NodeGone { home, heir })),
    ]
}

fn cluster() -> impl Strategy<Value = ClusterCommand> {
    let node = || (1..6_u64).prop_map(NodeId);
    let nodes = || proptest::collection::btree_set(node(), 0..4);
    let group = || (0..4_u32).prop_map(GroupId);
    let name = || names(&["n1", "n2", "n3"]);
    let uuid = || select(vec!["a", "b", "c", "d"]).prop_map(|uuid| Bytes::from_static(uuid.as_bytes()));
    let state = || select(vec![MemberState::Joining, MemberState::Up, MemberState::Draining, MemberState::Leaving]);
    let founder = |node: u64| Member {
        node: NodeId(node),
        name: ShortStr::truncated(&format!("n{node}")),
        uuid: Bytes::from(format!("disk {node}")),
        address: format!("host-{node}:1"),
        state: MemberState::Up,
        replaces: None,
    };
    prop_oneof![
        (0..3_u64).prop_map(move |n| ClusterCommand::Record(Cluster::founded((1..=n).map(founder), 3))),
        (name(), uuid(), option::of(node())).prop_map(|(name, uuid, replaces)| {
            ClusterCommand::Admit(Admission { name, uuid, address: "here:2".to_owned(), replaces })
        }),
        (node(), state(), any::<bool>()).prop_map(|(node, state, force)| ClusterCommand::SetState {
            node,
            state,
            force
        }),
        (node(), option::of(home())).prop_map(|(node, heir)| ClusterCommand::Remove { node, heir }),
        (group(), nodes(), 0..3_u64).prop_map(|(group, wanted, round)| ClusterCommand::Place { group, wanted, round }),
        (group(), nodes(), 0..3_u64, 0..9_u64).prop_map(|(group, voters, round, index)| ClusterCommand::Moved {
            group,
            voters,
            round,
            index
        }),
        (group(), option::of(node())).prop_map(|(group, leader)| ClusterCommand::Prefer { group, leader }),
    ]
}

fn administration() -> impl Strategy<Value = Command> {
    let user = || names(&["guest", "u"]);
    let tags = || vec(names(&["administrator", "management"]), 0..3);
    let pattern = || select(vec!["", ".*", "^a"]).prop_map(str::to_owned);
    let description = option::of(select(vec!["", "text"]).prop_map(str::to_owned));
    let queue_type = option::of(select(vec![QueueType::Classic, QueueType::Quorum]));
    let flag = || option::of(any::<bool>());
    prop_oneof![
        (vhost_name(), description, option::of(tags()), queue_type, (flag(), flag()), vhost_defaults()).prop_map(
            |(vhost, description, tags, default_queue_type, (tracing, protected), defaults)| {
                Command::PutVhost(PutVhost {
                    vhost,
                    description,
                    tags,
                    default_queue_type,
                    tracing,
                    protected,
                    defaults,
                })
            }
        ),
        (user(), option::of(password()), tags()).prop_map(|(user, password, tags)| Command::PutUser(PutUser {
            user,
            password,
            tags
        })),
        user().prop_map(|user| Command::DeleteUser { user }),
        (user(), option::of(password()))
            .prop_map(|(user, password)| Command::SetPassword(SetPassword { user, password })),
        (user(), tags()).prop_map(|(user, tags)| Command::SetTags(SetTags { user, tags })),
        (user(), vhost_name(), pattern(), pattern(), pattern()).prop_map(|(user, vhost, configure, write, read)| {
            let permissions = Permissions { configure, write, read };
            Command::SetPermissions(SetPermissions { user, vhost, permissions })
        }),
        (user(), vhost_name()).prop_map(|(user, vhost)| Command::ClearPermissions(ClearPermissions { user, vhost })),
    ]
}

fn limits_and_parameters() -> impl Strategy<Value = Command> {
    let user = || names(&["guest", "u"]);
    let limit = || option::of(-1..6_i64);
    let pattern = || select(vec!["", ".*", "^{username}"]).prop_map(str::to_owned);
    let json = || select(vec!["3", "12", "\"text\"", "{\"a\":[1]}"]).prop_map(str::to_owned);
    let component = || names(&["shovel", "vhost-limits"]);
    let parameter = || names(&["a", "b"]);
    let global = || names(&["cluster_name", "cluster_queue_limit", "cluster_exchange_limit", "vhost_max"]);
    prop_oneof![
        (vhost_name(), select(VhostLimit::ALL.to_vec()), limit())
            .prop_map(|(vhost, limit, value)| Command::SetVhostLimit(SetVhostLimit { vhost, limit, value })),
        (user(), select(UserLimit::ALL.to_vec()), limit())
            .prop_map(|(user, limit, value)| Command::SetUserLimit(SetUserLimit { user, limit, value })),
        (user(), vhost_name(), exchange_name(), pattern(), pattern()).prop_map(
            |(user, vhost, exchange, write, read)| {
                let permissions = TopicPermissions { write, read };
                Command::SetTopicPermissions(SetTopicPermissions { user, vhost, exchange, permissions })
            }
        ),
        (user(), vhost_name(), option::of(exchange_name())).prop_map(|(user, vhost, exchange)| {
            Command::ClearTopicPermissions(ClearTopicPermissions { user, vhost, exchange })
        }),
        (vhost_name(), component(), parameter(), json()).prop_map(|(vhost, component, name, value)| {
            Command::PutParameter(PutParameter { vhost, component, name, value })
        }),
        (vhost_name(), component(), parameter()).prop_map(|(vhost, component, name)| {
            Command::DeleteParameter(DeleteParameter { vhost, component, name })
        }),
        (global(), json()).prop_map(|(name, value)| Command::PutGlobalParameter(PutGlobalParameter { name, value })),
        global().prop_map(|name| Command::DeleteGlobalParameter { name }),
    ]
}

const POLICY_NAMES: [&str; 2] = ["one", "two"];

fn put_policy() -> impl Strategy<Value = PutPolicy> {
    let pattern = select(vec!["", "^[ap]", "^amq", "q|b", "("]).prop_map(str::to_owned);
    let apply_to = names(&["", "all", "exchanges", "queues", "classic_queues", "quorum_queues", "streams", "wrong"]);
    let number = |key: &'static str| (names(&[key]), (-1..20_i64).prop_map(FieldValue::I64)).boxed();
    let word = |key: &'static str, word: &'static str| {
        (names(&[key]), Just(FieldValue::LongStr(Bytes::from_static(word.as_bytes())))).boxed()
    };
    let setting = prop_oneof![
        number("message-ttl"),
        number("max-length"),
        number("delivery-limit"),
        number("unheard-of"),
        word("overflow", "reject-publish"),
        word("alternate-exchange", "a"),
        word("alternate-exchange", "b"),
        word("dead-letter-exchange", "c"),
    ];
    (vhost_name(), names(&POLICY_NAMES), pattern, apply_to, -1..2_i64, vec(setting, 0..3), any::<bool>()).prop_map(
        |(vhost, name, pattern, apply_to, priority, definition, operator)| {
            let definition = FieldTable(definition);
            PutPolicy { vhost, name, pattern, priority, apply_to, definition, operator }
        },
    )
}

fn vhost_defaults() -> impl Strategy<Value = VhostDefaults> {
    let limit = || option::of(-1..3_i64);
    (limit(), limit(), vec(put_policy(), 0..2)).prop_map(|(max_connections, max_queues, operator_policies)| {
        VhostDefaults { limits: VhostLimits { max_connections, max_queues }, operator_policies }
    })
}

fn policy() -> impl Strategy<Value = Command> {
    let name = || names(&POLICY_NAMES);
    prop_oneof![
        3 => put_policy().prop_map(Command::PutPolicy),
        1 => (vhost_name(), name(), any::<bool>())
            .prop_map(|(vhost, name, operator)| Command::DeletePolicy(DeletePolicy { vhost, name, operator })),
    ]
}

fn declare_exchange() -> impl Strategy<Value = DeclareExchange> {
    let kind = names(&[
        "direct",
        "fanout",
        "topic",
        "headers",
        "x-consistent-hash",
        "x-local-random",
        "x-delayed-message",
        "x-recent-history",
        "x-none",
    ]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let history = select(vec![Some(GroupId(1)), Some(GroupId(2)), Some(GroupId::local(NodeId(1))), None]);
    (vhost_name(), exchange_name(), kind, flags, arguments(), history).prop_map(
        |(vhost, name, kind, (durable, auto_delete, internal), arguments, history)| DeclareExchange {
            vhost,
            name,
            kind,
            durable,
            auto_delete,
            internal,
            arguments,
            history,
        },
    )
}

fn declare_queue() -> impl Strategy<Value = DeclareQueue> {
    let group = select(vec![GroupId(1), GroupId(2), GroupId::local(NodeId(1))]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let default_type = option::of(select(vec![QueueType::Classic, QueueType::Quorum]));
    (vhost_name(), queue_name(), (flags, default_type), arguments(), connection(), home(), group).prop_map(
        |(vhost, name, (flags, default_type), arguments, connection, home, group)| {
            let (server_named, durable, auto_delete, exclusive) = flags;
            DeclareQueue {
                vhost,
                name,
                server_named,
                durable,
                auto_delete,
                exclusive,
                default_type,
                arguments,
                connection,
                home,
                group,
            }
        },
    )
}

fn bind() -> impl Strategy<Value = Bind> {
    let target =
        prop_oneof![3 => queue_name().prop_map(Target::Queue), 2 => exchange_name().prop_map(Target::Exchange)];
    let key = names(&["", "k", "a.#", "3"]);
    (vhost_name(), exchange_name(), target, key, arguments(), connection()).prop_map(
        |(vhost, source, destination, routing_key, arguments, connection)| Bind {
            vhost,
            source,
            destination,
            routing_key,
            arguments,
            connection,
        },
    )
}

fn names(list: &[&'static str]) -> impl Strategy<Value = ShortStr> + use<> {
    select(list.iter().map(|name| ShortStr::from_static(name)).collect::<Vec<_>>())
}

fn vhost_name() -> impl Strategy<Value = ShortStr> {
    prop_oneof![9 => names(&["/"]), 1 => names(&["v"])]
}

fn exchange_name() -> impl Strategy<Value = ShortStr> {
    prop_oneof![8 => names(&["a", "b", "c", "amq.topic", "amq.headers"]), 1 => names(&["", "amq.none"])]
}

fn queue_name() -> impl Strategy<Value = ShortStr> {
    prop_oneof![8 => names(&["p", "q", "r", "s"]), 1 => names(&["", "amq.gen-1"])]
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    (1..3_u64, 1..3_u64).prop_map(|(node, serial)| ConnectionId { node: NodeId(node), serial })
}

fn home() -> impl Strategy<Value = Home> {
    (1..4_u64, 1..4_u64).prop_map(|(node, boot)| Home { node: NodeId(node), boot })
}

fn password() -> impl Strategy<Value = PasswordHash> {
    let algorithm = select(vec![HashAlgorithm::Sha256, HashAlgorithm::Sha512, HashAlgorithm::Md5]);
    (algorithm, vec(any::<u8>(), 0..8))
        .prop_map(|(algorithm, salted)| PasswordHash { algorithm, salted: salted.into() })
}

fn arguments() -> impl Strategy<Value = FieldTable> {
    let name = names(&["x-queue-type", "x-max-length", "alternate-exchange", "x-match", "x-delayed-type", "other"]);
    prop_oneof![3 => Just(FieldTable::default()), 2 => vec((name, value()), 0..3).prop_map(FieldTable)]
}

/// Any value but floats that are not numbers, which are equal to nothing.
pub(crate) fn value() -> impl Strategy<Value = FieldValue> {
    let text = select(vec!["classic", "quorum", "all", "any", "topic", "a", ""]);
    let leaf = prop_oneof![
        4 => text.prop_map(|text| FieldValue::LongStr(Bytes::from_static(text.as_bytes()))),
        2 => (-1..3_i32).prop_map(FieldValue::I32),
        1 => any::<bool>().prop_map(FieldValue::Bool),
        1 => any::<i8>().prop_map(FieldValue::I8),
        1 => any::<u8>().prop_map(FieldValue::U8),
        1 => any::<i16>().prop_map(FieldValue::I16),
        1 => any::<u16>().prop_map(FieldValue::U16),
        1 => any::<u32>().prop_map(FieldValue::U32),
        1 => any::<i64>().prop_map(FieldValue::I64),
        1 => any::<u64>().prop_map(FieldValue::Timestamp),
        1 => (any::<u8>(), any::<u32>()).prop_map(|(scale, unscaled)| FieldValue::Decimal(scale, unscaled)),
        1 => proptest::num::f32::NORMAL.prop_map(FieldValue::F32),
        1 => proptest::num::f64::NORMAL.prop_map(FieldValue::F64),
        1 => Just(FieldValue::Void),
        1 => vec(any::<u8>(), 0..4).prop_map(|bytes| FieldValue::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(FieldValue::Array),
            vec((names(&["k", "l", ""]), inner), 0..4).prop_map(|fields| FieldValue::Table(FieldTable(fields))),
        ]
    })
}
