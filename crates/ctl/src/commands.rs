//! The commands of `quorate ctl`.

mod actions;
mod arguments;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{
    client::{Client, Error, TIMEOUT},
    output::Format,
    target::Target,
};
use arguments::{
    Bindings, Channels, Connections, Consumers, Definitions, Exchanges, Limits, Parameters, Permissions, Policies,
    Queues, TopicPermissions, Users, Vhosts,
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
