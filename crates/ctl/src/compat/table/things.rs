//! Queues, exchanges, bindings, clients, definitions.

use serde_json::Value;

use super::{
    Action::{List, Run},
    Command, Extra, Listing, Opt, Scope, all, at, command, constant, key,
};
use crate::compat::{
    act::things,
    call::Call,
    failure::{DATA, UNAVAILABLE, USAGE},
};

const QUEUES: Listing = Listing {
    path: "queues/{vhost}",
    keys: &[
        key("name"),
        key("durable"),
        key("auto_delete"),
        key("arguments"),
        key("policy"),
        key("operator_policy"),
        key("effective_policy_definition"),
        at("pid", "leader"),
        key("owner_pid"),
        key("exclusive"),
        key("exclusive_consumer_pid"),
        key("exclusive_consumer_tag"),
        key("messages_ready"),
        key("messages_unacknowledged"),
        key("messages"),
        at("messages_persistent", "messages"),
        key("message_bytes"),
        key("message_bytes_ready"),
        key("message_bytes_unacknowledged"),
        at("message_bytes_persistent", "message_bytes"),
        key("head_message_timestamp"),
        key("consumers"),
        key("consumer_utilisation"),
        key("consumer_capacity"),
        key("memory"),
        key("state"),
        key("type"),
        key("leader"),
        key("members"),
        at("online", "members"),
        key("vhost"),
    ],
    defaults: &["name", "messages"],
    is_wanted: is_wanted_queue,
};

const EXCHANGES: Listing = Listing {
    path: "exchanges/{vhost}",
    keys: &[
        key("name"),
        key("type"),
        key("durable"),
        key("auto_delete"),
        key("internal"),
        key("arguments"),
        key("policy"),
        key("vhost"),
    ],
    defaults: &["name", "type"],
    is_wanted: all,
};

const BINDINGS: Listing = Listing {
    path: "bindings/{vhost}",
    keys: &[
        at("source_name", "source"),
        constant("source_kind", "exchange"),
        at("destination_name", "destination"),
        at("destination_kind", "destination_type"),
        key("routing_key"),
        key("arguments"),
        key("vhost"),
    ],
    defaults: &["source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"],
    is_wanted: all,
};

const CONNECTIONS: Listing = Listing {
    path: "connections",
    keys: &[
        at("pid", "name"),
        key("name"),
        key("port"),
        key("host"),
        key("peer_port"),
        key("peer_host"),
        key("ssl"),
        key("state"),
        key("channels"),
        key("protocol"),
        key("auth_mechanism"),
        key("user"),
        key("vhost"),
        key("timeout"),
        key("frame_max"),
        key("channel_max"),
        key("client_properties"),
        key("user_provided_name"),
        key("recv_oct"),
        key("send_oct"),
        key("connected_at"),
        key("node"),
    ],
    defaults: &["user", "peer_host", "peer_port", "state"],
    is_wanted: all,
};

const CHANNELS: Listing = Listing {
    path: "channels",
    keys: &[
        at("pid", "name"),
        at("connection", "connection_details.name"),
        key("name"),
        key("number"),
        key("user"),
        key("vhost"),
        key("transactional"),
        key("confirm"),
        key("consumer_count"),
        key("messages_unacknowledged"),
        key("messages_uncommitted"),
        key("acks_uncommitted"),
        key("messages_unconfirmed"),
        key("prefetch_count"),
        key("global_prefetch_count"),
        key("state"),
        key("node"),
    ],
    defaults: &["pid", "user", "consumer_count", "messages_unacknowledged"],
    is_wanted: all,
};

const CONSUMERS: Listing = Listing {
    path: "consumers",
    keys: &[
        at("queue_name", "queue.name"),
        at("channel_pid", "channel_details.name"),
        key("consumer_tag"),
        key("ack_required"),
        key("prefetch_count"),
        key("active"),
        key("activity_status"),
        key("arguments"),
    ],
    defaults: &["queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"],
    is_wanted: |call, item| item["queue"]["vhost"] == call.vhost(),
};

fn is_wanted_queue(call: &Call, queue: &Value) -> bool {
    let is_online = queue["state"] == "running";
    match (call.flag("online"), call.flag("offline")) {
        (true, false) => is_online,
        (false, true) => !is_online,
        (true, true) | (false, false) => true,
    }
}

const COLUMNS: Extra = Extra::Many("column");

pub(super) const COMMANDS: &[Command] = &[
    command(
        "list_queues",
        &[],
        "Timeout: {timeout}.0 seconds ...\nListing queues for vhost {vhost} ...",
        List(&QUEUES),
    )
    .extra(COLUMNS)
    .options(&[Opt::flag("online"), Opt::flag("offline"), Opt::value("timeout").default("60")])
    .scope(Scope::Both),
    command("list_exchanges", &[], "Listing exchanges for vhost {vhost} ...", List(&EXCHANGES))
        .extra(COLUMNS)
        .scope(Scope::Both),
    command("list_bindings", &[], "Listing bindings for vhost {vhost}...", List(&BINDINGS))
        .extra(COLUMNS)
        .scope(Scope::Both),
    command("list_connections", &[], "Listing connections ...", List(&CONNECTIONS)).extra(COLUMNS).scope(Scope::Both),
    command("list_channels", &[], "Listing channels ...", List(&CHANNELS)).extra(COLUMNS).scope(Scope::Both),
    command("list_consumers", &[], "Listing consumers in vhost {vhost} ...", List(&CONSUMERS))
        .extra(COLUMNS)
        .scope(Scope::Both),
    command("delete_queue", &["queue_name"], "Deleting queue '{0}' on vhost '{vhost}' ...", Run(things::delete_queue))
        .options(&[Opt::flag("if-empty").short('e'), Opt::flag("if-unused").short('u')])
        .missing(USAGE, "Queue not found"),
    command("purge_queue", &["queue"], "Purging queue '{0}' in vhost '{vhost}' ...", Run(things::purge_queue))
        .missing(UNAVAILABLE, "not_found"),
    command(
        "close_connection",
        &["connection", "explanation"],
        "Closing connection {0}, reason: {1}...",
        Run(things::close_connection),
    )
    .missing(UNAVAILABLE, "there is no connection of that name; 'list_connections name' shows them"),
    command(
        "close_all_connections",
        &["explanation"],
        "Closing all connections in vhost {vhost}, reason: {0}...",
        Run(things::close_all_connections),
    )
    .options(&[Opt::flag("global"), Opt::value("limit"), Opt::value("per-connection-delay")]),
    command(
        "close_all_user_connections",
        &["username", "explanation"],
        "Closing connections of user {0}, reason: {1}...",
        Run(things::close_user_connections),
    ),
    command("export_definitions", &[], "Exporting definitions in JSON to a file at \"{0}\" ...", Run(things::export))
        .extra(Extra::Optional("file"))
        .options(&[Opt::value("format")]),
    command("import_definitions", &[], "Importing definitions in JSON from a file at \"{0}\" ...", Run(things::import))
        .extra(Extra::Optional("file"))
        .options(&[Opt::value("format"), Opt::flag("skip-if-unchanged")])
        .missing(DATA, "not found"),
];
