//! The node and its cluster: status, checks, waiting.

use super::{
    Action::{Put, Run},
    Command, Extra,
    Field::Text,
    Opt, Scope, command,
};
use crate::compat::act::{checks, node, resources, status};

const LOCAL_ALARMS: &str = "Asking node {node} to report any local resource alarms ...";

pub(super) const COMMANDS: &[Command] = &[
    command("status", &[], "Status of node {node} ...", Run(status::status)).scope(Scope::Both),
    command("cluster_status", &[], "Cluster status of node {node} ...", Run(status::cluster_status)).scope(Scope::Both),
    command("environment", &[], "Application environment of node {node} ...", Run(status::environment))
        .scope(Scope::Both),
    command("report", &[], "Reporting server status of node {node} ...", Run(status::report)).scope(Scope::Both),
    command("version", &[], "", Run(node::version)).scope(Scope::Both),
    command("help", &[], "", Run(node::help)).extra(Extra::Optional("command")).scope(Scope::Both),
    command(
        "set_cluster_name",
        &["name"],
        "Setting cluster name to {0} ...",
        Put("cluster-name", &[("name", Text("{0}"))]),
    ),
    command(
        "set_vm_memory_high_watermark",
        &["fraction"],
        "Setting memory threshold on {node} to {0..} ...",
        Run(resources::set_memory),
    )
    .extra(Extra::Optional("amount")),
    command(
        "set_disk_free_limit",
        &["disk_limit"],
        "Setting disk free limit on {node} to {0..} ...",
        Run(resources::set_disk),
    )
    .extra(Extra::Optional("factor")),
    command("forget_cluster_node", &["node"], "Removing node {0} from the cluster", Run(node::forget_cluster_node))
        .options(&[Opt::flag("offline")])
        .missing(69, "the cluster has no node {0}"),
    command("ping", &[], "Will ping {node}. This only checks that its process answers.", Run(node::ping))
        .scope(Scope::Both),
    command("await_startup", &[], "", Run(node::await_startup)).scope(Scope::Both),
    command("wait", &[], "Waiting for node {node} to start", Run(node::await_startup))
        .extra(Extra::Optional("pid_file"))
        .options(&[Opt::value("pid").short('P')]),
    command(
        "await_online_nodes",
        &["count"],
        "Will wait for at least {0} nodes to join the cluster of {node}.",
        Run(node::await_online_nodes),
    ),
    command("trace_on", &[], "Starting tracing for vhost \"{vhost}\" ...", Run(node::trace_on)),
    command("trace_off", &[], "Stopping tracing for vhost \"{vhost}\" ...", Run(node::trace_off)),
    command("list_feature_flags", &[], "Listing feature flags ...", Run(node::list_feature_flags))
        .extra(Extra::Many("column"))
        .scope(Scope::Both),
    command("enable_feature_flag", &["name"], "Enabling feature flag \"{0}\" ...", Run(node::enable_feature_flag))
        .options(&[Opt::flag("experimental"), Opt::flag("opt-in")]),
    check("check_running", "Checking if node {node} is running ...", Run(checks::running)),
    check("check_local_alarms", LOCAL_ALARMS, Run(checks::local_alarms)),
    check("check_alarms", "Asking node {node} to report any resource alarms ...", Run(checks::alarms)),
    check(
        "check_port_connectivity",
        "Testing TCP connections to all active listeners on node {node} ...",
        Run(checks::port_connectivity),
    )
    .options(&[Opt::value("address")]),
    check("check_virtual_hosts", "Checking if all vhosts are running on node {node} ...", Run(checks::virtual_hosts)),
    check(
        "check_certificate_expiration",
        "Checking certificate expiration on node {node} ...",
        Run(checks::certificate_expiration),
    )
    .options(&[Opt::value("within"), Opt::value("unit")]),
    check("alarms", "Asking node {node} to report any known resource alarms ...", Run(checks::list_alarms)),
    check("listeners", "Asking node {node} to report its protocol listeners ...", Run(status::listeners)),
    check("server_version", "Asking node {node} for its version...", Run(status::server_version)),
    check("memory_breakdown", "Reporting memory breakdown on node {node}...", Run(status::memory_breakdown))
        .options(&[Opt::value("unit").default("gb")]),
];

const fn check(name: &'static str, banner: &'static str, action: super::Action) -> Command {
    command(name, &[], banner, action).scope(Scope::Diagnostics)
}
