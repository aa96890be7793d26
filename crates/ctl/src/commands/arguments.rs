//! What each command takes.

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};

use crate::bytes;

/// `/`, where nothing else is said.
const VHOST: &str = "/";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Nodes, groups, and what is under way
    Status,
    /// How far a node is that was started with cluster.seeds or cluster.nodes of this cluster, and so joins by itself
    Join { name: String },
    /// Moves a node's replicas to others and removes it
    Decommission {
        name: String,
        /// Also when groups will have fewer replicas than they should
        #[arg(long)]
        force: bool,
    },
    /// Removes a node that is down for ever; its replicas are made elsewhere as far as there is a place
    Forget { name: String },
    /// Takes leaders and clients from a node, for maintenance
    Drain { name: String },
    /// Lets a drained node serve again, or one that was to leave stay
    Undrain { name: String },
    /// Lets every node lead its share
    Rebalance,
    /// Lets a node lead a group
    TransferLeader { group: u32, name: String },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Vhosts {
    /// All virtual hosts
    List,
    /// Makes one, or changes it
    Add {
        name: String,
        #[arg(long)]
        description: Option<String>,
        /// With commas between
        #[arg(long)]
        tags: Option<String>,
        /// classic or quorum
        #[arg(long)]
        default_queue_type: Option<String>,
        /// Whether messages are copied to amq.rabbitmq.trace
        #[arg(long)]
        tracing: Option<bool>,
        /// Whether it is protected from deletion
        #[arg(long)]
        protected: Option<bool>,
    },
    /// Deletes one with everything in it
    Delete { name: String },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Users {
    /// All users
    List,
    /// Makes one, or changes its password and tags
    Add {
        name: String,
        password: String,
        /// With commas between
        #[arg(long, default_value = "")]
        tags: String,
    },
    /// Sets another password
    Password { name: String, password: String },
    /// Sets the tags: administrator, monitoring, policymaker, management, impersonator
    Tags { name: String, tags: Vec<String> },
    /// Deletes one
    Delete { name: String },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Permissions {
    /// All permissions
    List,
    /// Sets the patterns of names that a user may configure, write and read
    Set {
        user: String,
        configure: String,
        write: String,
        read: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Takes all permissions in a virtual host away
    Clear {
        user: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TopicPermissions {
    /// All topic permissions
    List,
    /// Sets the patterns of routing keys that a user may write and read
    Set {
        user: String,
        exchange: String,
        write: String,
        read: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Takes all topic permissions in a virtual host away: then every key is allowed
    Clear {
        user: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Policies {
    /// All policies
    List {
        #[arg(long)]
        operator: bool,
    },
    /// Sets one
    Set {
        name: String,
        /// A regular expression for names of queues and exchanges
        pattern: String,
        /// A JSON object such as {"message-ttl":60000}
        definition: String,
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// all, exchanges, queues, classic_queues or quorum_queues
        #[arg(long, default_value = "all")]
        apply_to: String,
        #[arg(long)]
        operator: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Takes one away
    Clear {
        name: String,
        #[arg(long)]
        operator: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Limits {
    /// All limits
    List,
    /// Sets max-connections or max-queues of a virtual host
    SetVhost {
        vhost: String,
        limit: String,
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Takes a limit of a virtual host away
    ClearVhost { vhost: String, limit: String },
    /// Sets max-connections or max-channels of a user
    SetUser {
        user: String,
        limit: String,
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Takes a limit of a user away
    ClearUser { user: String, limit: String },
    /// Sets from where on the node that is asked blocks publishers, until it stops
    #[command(group = ArgGroup::new("what").required(true).multiple(true).args(["memory_high_watermark", "memory", "disk_free"]))]
    SetNode {
        /// A part of the memory that it may use, 0 to 1
        #[arg(long, conflicts_with = "memory")]
        memory_high_watermark: Option<f64>,
        /// Memory in bytes, such as 2GiB
        #[arg(long, value_parser = bytes::parsed)]
        memory: Option<u64>,
        /// Free disk in bytes, such as 5GB
        #[arg(long, value_parser = bytes::parsed)]
        disk_free: Option<u64>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Parameters {
    /// All parameters of virtual hosts
    List,
    /// All parameters of the cluster
    ListGlobal,
    /// Sets one; the value is JSON
    Set {
        component: String,
        name: String,
        value: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Takes one away
    Clear {
        component: String,
        name: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Sets one of the cluster; the value is JSON
    SetGlobal { name: String, value: String },
    /// Takes one of the cluster away
    ClearGlobal { name: String },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Queues {
    /// All queues
    List {
        /// Only those of this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
    /// Declares one
    Declare {
        name: String,
        /// A JSON object such as {"x-max-length":100}
        #[arg(long, default_value = "{}")]
        arguments: String,
        /// Without replicas, in one node's memory
        #[arg(long)]
        transient: bool,
        #[arg(long)]
        auto_delete: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Drops all messages that wait
    Purge {
        name: String,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Deletes one with its messages
    Delete {
        name: String,
        #[arg(long)]
        if_unused: bool,
        #[arg(long)]
        if_empty: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Exchanges {
    /// All exchanges
    List {
        /// Only those of this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
    /// Declares one
    Declare {
        name: String,
        /// direct, fanout, topic, headers, x-consistent-hash, ...
        kind: String,
        /// A JSON object
        #[arg(long, default_value = "{}")]
        arguments: String,
        #[arg(long)]
        auto_delete: bool,
        #[arg(long)]
        internal: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
    /// Deletes one
    Delete {
        name: String,
        #[arg(long)]
        if_unused: bool,
        #[arg(long, default_value = VHOST)]
        vhost: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Bindings {
    /// All bindings
    List {
        /// Only those of this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Connections {
    /// All connections
    List,
    /// Ends one; its client is told the reason
    Close {
        name: String,
        #[arg(long, default_value = "closed by an administrator")]
        reason: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Channels {
    /// All channels
    List,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Consumers {
    /// All consumers
    List,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Definitions {
    /// Writes them to a file, or to standard output
    Export {
        file: Option<PathBuf>,
        /// Only those of this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
    /// Brings in what a file holds, also an export of RabbitMQ
    Import {
        file: PathBuf,
        /// Into this virtual host, whatever the file names
        #[arg(long)]
        vhost: Option<String>,
    },
}
