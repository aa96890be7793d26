//! What cannot be done here, and what to do instead.

use super::{Action::Refuse, Command, Extra, Scope, command};

const STOP: &str =
    "a node is one process: stop it with SIGTERM (systemctl stop, docker stop), and start it with 'quorate server'";
const MEMBERS: &str = "a node joins by itself: start it with an empty data directory and with cluster.seeds, the addresses of the cluster's \
                       nodes; 'quorate ctl cluster' shows how far it is, and lets nodes go";
const RESET: &str = "stop the node and remove its data directory; take the whole cluster's definitions along with 'export_definitions' first";
const ERLANG: &str =
    "there is no Erlang in this broker; 'status', 'report' and the metrics at /metrics tell how a node does";
const LOGS: &str = "a node logs to its standard output, which whoever started it rotates";

pub(super) const COMMANDS: &[Command] = &[
    refused("stop", STOP),
    refused("shutdown", STOP),
    refused("stop_app", STOP),
    refused("start_app", STOP),
    refused("join_cluster", MEMBERS),
    refused("rename_cluster_node", MEMBERS),
    refused("change_cluster_node_type", MEMBERS),
    refused("update_cluster_nodes", MEMBERS),
    refused(
        "force_boot",
        "a cluster starts as soon as a majority of its nodes runs; when it is lost for ever: 'quorate recover-lost-majority'",
    ),
    refused("reset", RESET),
    refused("force_reset", RESET),
    refused(
        "set_log_level",
        "it is a setting of the node: log.filter in its configuration, in effect after its restart",
    ),
    refused("rotate_logs", LOGS),
    refused("eval", ERLANG),
    refused("eval_file", ERLANG),
    refused("exec", ERLANG),
    refused("encode", "secrets of the configuration come as variables, such as QUORATE_DEFAULTS_PASSWORD"),
    refused("decode", "secrets of the configuration come as variables, such as QUORATE_DEFAULTS_PASSWORD"),
    refused("sync_queue", "queues are replicated by Raft: there are no mirrors to synchronise"),
    refused("cancel_sync_queue", "queues are replicated by Raft: there are no mirrors to synchronise"),
    refused("observer", ERLANG).scope(Scope::Diagnostics),
];

const fn refused(name: &'static str, instead: &'static str) -> Command {
    command(name, &[], "", Refuse(instead)).extra(Extra::Many("argument"))
}
