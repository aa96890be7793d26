//! The commands of `quorate ctl`.

mod actions;
mod arguments;
mod cluster;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{
    client::{Client, Error, TIMEOUT},
    output::Format,
    target::Target,
};
use arguments::{
    Bindings, Channels, Cluster, Connections, Consumers, Definitions, Exchanges, Limits, Parameters, Permissions,
    Policies, Queues, TopicPermissions, Users, Vhosts,
};

/// Administers a cluster through one of its nodes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How lists are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    #[command(subcommand)]
    topic: Topic,
}

/// What is administered.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Topic {
    /// What the node says of itself
    Status,
    /// The nodes of the cluster
    Nodes,
    /// Who is in the cluster, who comes and goes, who leads
    #[command(subcommand)]
    Cluster(Cluster),
    /// Alarms that stand
    Alarms,
    /// Virtual hosts
    #[command(subcommand)]
    Vhosts(Vhosts),
    /// Users, their passwords and tags
    #[command(subcommand)]
    Users(Users),
    /// What users may do in virtual hosts
    #[command(subcommand)]
    Permissions(Permissions),
    /// What users may do with the routing keys of topic exchanges
    #[command(subcommand)]
    TopicPermissions(TopicPermissions),
    /// Policies, and with --operator those of operators
    #[command(subcommand)]
    Policies(Policies),
    /// Limits of virtual hosts and users
    #[command(subcommand)]
    Limits(Limits),
    /// Runtime parameters, and those of the whole cluster
    #[command(subcommand)]
    Parameters(Parameters),
    /// Queues
    #[command(subcommand)]
    Queues(Queues),
    /// Exchanges
    #[command(subcommand)]
    Exchanges(Exchanges),
    /// Bindings
    #[command(subcommand)]
    Bindings(Bindings),
    /// Connections of clients
    #[command(subcommand)]
    Connections(Connections),
    /// Channels of clients
    #[command(subcommand)]
    Channels(Channels),
    /// Consumers
    #[command(subcommand)]
    Consumers(Consumers),
    /// Everything that is declared, as RabbitMQ's JSON document
    #[command(subcommand)]
    Definitions(Definitions),
}

/// Does it, and says how it went.
pub fn run(args: &Args) -> ExitCode {
    let client = Client::new(&args.target, TIMEOUT);
    match actions::act(&client, &args.topic, args.format) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<Error>() {
                Some(Error::Unreachable { .. }) => ExitCode::from(69),
                Some(Error::Timeout(_)) => ExitCode::from(75),
                Some(Error::Refused(_) | Error::NoCredentials(_)) => ExitCode::from(77),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_node_that_is_asked_is_not_the_one_that_is_spoken_of() {
        let words = ["ctl", "--node", "http://h:1", "cluster", "transfer-leader", "3", "n2"];
        let args = Cli::try_parse_from(words).unwrap().args;
        assert_eq!(args.target.node, "http://h:1");
        assert!(matches!(args.topic, Topic::Cluster(Cluster::TransferLeader { group: 3, name }) if name == "n2"));
    }
}
