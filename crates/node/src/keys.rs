//! The keys of the configuration. Each is also a flag and a variable: `limits.frame_max` is `--limits-frame-max` and
//! `QUORATE_LIMITS_FRAME_MAX`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, builder::PathBufValueParser};
use toml::{Table, Value};

/// One key and what it is about. Its default and its type are those of [`Config::default`](crate::config::Config).
pub(crate) struct Key {
    /// `section.key`
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
}

const fn key(name: &'static str, help: &'static str) -> Key {
    Key { name, help }
}

/// All keys, in the order of the reference.
pub(crate) const KEYS: [Key; 47] = [
    key("node.name", "This node's name in the cluster"),
    key("node.data_dir", "Where the node keeps its data"),
    key("listen.amqp", "Where AMQP clients connect, host:port"),
    key("listen.http", "Where health, metrics and administration are served, host:port"),
    key("listen.peer", "Where other nodes connect, host:port"),
    key("listen.connections_max", "Most connections of clients; one beyond that finds its socket closed"),
    key("cluster.name", "The cluster's name; nodes of another name are not let in"),
    key("cluster.nodes", "All founding nodes, name=host:port with commas between; none: a cluster of this node alone"),
    key(
        "cluster.seeds",
        "Where members of a cluster may be found, host:port with commas between; a node that is not in cluster.nodes joins them",
    ),
    key("cluster.address", "Where other nodes reach this one, host:port; empty: as in cluster.nodes, or listen.peer"),
    key("cluster.shards", "Shard groups of a new cluster; 0 chooses by the number of cores"),
    key("cluster.heartbeat_ms", "How often a leader is heard, in milliseconds"),
    key("cluster.election_min_ms", "Shortest time without a leader before an election, in milliseconds"),
    key("cluster.election_max_ms", "Longest time without a leader before an election, in milliseconds"),
    key("cluster.peer_grace_ms", "How long a node may be silent before its sessions end, in milliseconds"),
    key(
        "cluster.replace_after_ms",
        "How long a node must be silent before another disk may take its name, in milliseconds",
    ),
    key(
        "cluster.heal_after_ms",
        "How long a node must be silent before its replicas are made elsewhere, in milliseconds; 0: for ever",
    ),
    key("storage.memory_mb", "Memory for data that is not in table files yet, in MiB"),
    key("storage.disk_free_limit_mb", "Publishers are blocked below this much free disk, in MiB"),
    key("storage.checkpoint_entries", "A group's state is written down after so many log entries, or 64 MiB of them"),
    key(
        "storage.lag_entries_max",
        "Log entries that are kept for a node that is behind; one that needs more gets the group's state instead",
    ),
    key("memory.high_watermark", "Publishers are blocked above this part of the memory that the node may use, 0 to 1"),
    key("memory.high_watermark_mb", "The same in MiB, which then counts alone; 0: not set"),
    key("limits.message_bytes_max", "Largest message body, in bytes"),
    key("limits.frame_max", "Largest frame, in bytes; 0: no limit"),
    key("limits.channel_max", "Most channels of a connection"),
    key("limits.heartbeat_s", "Heartbeat that clients are asked for, in seconds; 0: none"),
    key("limits.connections_per_node_max", "Most connections with a virtual host; one more is told why; 0: no limit"),
    key("limits.channels_per_node_max", "Most channels of all connections together; 0: no limit"),
    key("limits.consumers_per_channel_max", "Most consumers of a channel; 0: no limit"),
    key("limits.consumer_timeout_ms", "How long a consumer may hold a message, in milliseconds; 0: for ever"),
    key("proxy_protocol.from", "Networks of proxies, with commas between, whose PROXY header names the client"),
    key(
        "auth.mechanisms",
        "SASL mechanisms that clients are offered, with commas between; also ANONYMOUS, RABBIT-CR-DEMO",
    ),
    key("auth.anonymous_user", "Whom clients log in as with the mechanism ANONYMOUS"),
    key("defaults.vhost", "The first virtual host of a new cluster"),
    key("defaults.user", "The first user of a new cluster"),
    key("defaults.password", "The first user's password"),
    key(
        "defaults.queue_type",
        "Type of queues in virtual hosts without a default queue type: classic or quorum; the same on all nodes",
    ),
    key("defaults.loopback_users", "Users that may log in from this machine only, with commas between"),
    key("definitions.file", "JSON file of definitions that is imported at the start; none: nothing is"),
    key("definitions.skip_if_unchanged", "Whether a file that the cluster has imported last is not imported again"),
    key("default_limits.vhosts", "Limits of new virtual hosts by the pattern of their names; as a TOML list"),
    key(
        "default_policies.operator",
        "Operator policies of new virtual hosts by the pattern of their names; as a TOML list",
    ),
    key("log.filter", "What is logged: a level, or a filter such as info,replication=debug"),
    key("log.json", "Whether log lines are JSON"),
    key("product.name", "The product that clients are told, since some branch on it"),
    key("product.version", "The version that clients are told"),
];

/// Keys whose values are lists of tables, given as TOML.
const TABLES: [&str; 2] = ["default_limits.vhosts", "default_policies.operator"];

/// Flags of older habit that are shorter.
const SHORT: [(&str, &str); 6] = [
    ("node.name", "name"),
    ("node.data_dir", "data-dir"),
    ("listen.amqp", "amqp"),
    ("listen.http", "http"),
    ("listen.peer", "peer"),
    ("log.filter", "log"),
];

/// What flags and variables say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The TOML file.
    pub config: Option<PathBuf>,
    /// Keys that were given, and their values as text.
    pub given: Vec<(&'static str, String)>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .env("QUORATE_CONFIG")
            .value_name("FILE")
            .value_parser(PathBufValueParser::new())
            .help("TOML file with settings");
        command.arg(file).args(KEYS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = KEYS.iter().filter_map(|key| Some((key.name, matches.get_one::<String>(key.name)?.clone())));
        Ok(Flags { config: matches.get_one::<PathBuf>("config").cloned(), given: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(key: &Key) -> Arg {
    let argument = Arg::new(key.name).long(flag(key.name)).env(variable(key.name)).value_name("VALUE").help(key.help);
    match SHORT.iter().find(|(name, _)| *name == key.name) {
        Some((_, short)) => argument.visible_alias(*short),
        None => argument,
    }
}

/// The flag of a key, without its dashes.
pub(crate) fn flag(name: &str) -> String {
    name.replace(['.', '_'], "-")
}

/// The variable of a key.
pub(crate) fn variable(name: &str) -> String {
    format!("QUORATE_{}", name.replace('.', "_").to_uppercase())
}

/// Lays what was given over the table of a file. `defaults` tells the type of each key.
///
/// # Errors
/// When a value is not of its key's type.
pub(crate) fn lay_over(table: &mut Table, defaults: &Table, given: &[(&'static str, String)]) -> anyhow::Result<()> {
    for (name, text) in given {
        let (section, key) = name.split_once('.').context("a key has a section")?;
        let default = defaults.get(section).and_then(|section| section.get(key)).context("a key has a default")?;
        let value = parse(name, default, text)
            .with_context(|| format!("--{} or {}: '{text}' cannot be used", flag(name), variable(name)))?;
        let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(section) = section else {
            bail!("{name}: the file has something else in place of the section")
        };
        section.insert(key.to_owned(), value);
    }
    Ok(())
}

fn parse(name: &str, default: &Value, text: &str) -> anyhow::Result<Value> {
    let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.parse().context("it has to be a whole number")?),
        Value::Float(_) => Value::Float(text.parse().context("it has to be a number")?),
        Value::Boolean(_) => Value::Boolean(text.parse().context("it has to be true or false")?),
        Value::Array(_) if name == "cluster.nodes" => Value::Array(items().map(node).collect::<Result<_, _>>()?),
        Value::Array(_) if TABLES.contains(&name) => toml_list(text)?,
        Value::Array(_) => Value::Array(items().map(|item| Value::String(item.to_owned())).collect()),
        Value::Datetime(_) | Value::Table(_) => bail!("it can be set in the file only"),
    })
}

fn toml_list(text: &str) -> anyhow::Result<Value> {
    let table: Table = toml::from_str(&format!("list = {text}")).context("it has to be a list as TOML writes it")?;
    table.get("list").filter(|value| value.is_array()).cloned().context("it has to be a list")
}

fn node(text: &str) -> anyhow::Result<Value> {
    let (name, peer) = text.split_once('=').context("nodes are given as name=host:port")?;
    let fields = [("name", name), ("peer", peer)];
    Ok(Value::Table(
        fields.map(|(field, value)| (field.to_owned(), Value::String(value.to_owned()))).into_iter().collect(),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Config;

    fn defaults() -> Table {
        Table::try_from(Config::default()).unwrap()
    }

    #[test]
    fn every_setting_is_a_key_and_every_key_a_setting() {
        let settings = defaults().into_iter().flat_map(|(section, keys)| {
            let Value::Table(keys) = keys else { panic!("{section} is no section") };
            keys.into_iter().map(move |(key, _)| format!("{section}.{key}"))
        });
        let keys = KEYS.iter().map(|key| key.name.to_owned());
        assert_eq!(settings.collect::<BTreeSet<_>>(), keys.collect());
    }

    #[test]
    fn every_key_stands_in_the_reference_with_its_variable_and_default() {
        let page = include_str!("../../../docs/reference/configuration.md");
        for Key { name, help } in &KEYS {
            let (section, key) = name.split_once('.').unwrap();
            let default = &defaults()[section][key];
            // The release's number, which changes.
            let default =
                if *name == "product.version" { "that of the release".to_owned() } else { default.to_string() };
            let row = format!("| `{name}` | {default} | {help} |");
            assert!(page.contains(&row), "the page has no line {row}");
        }
    }

    #[test]
    fn values_get_the_type_of_their_key() {
        let mut table = Table::new();
        let given = [
            ("limits.frame_max", "4096".to_owned()),
            ("memory.high_watermark", "0.5".to_owned()),
            ("cluster.nodes", "a=h1:1, b=h2:2".to_owned()),
            ("log.json", "true".to_owned()),
            ("default_limits.vhosts", "[{pattern = \"^a\", max_queues = 5}]".to_owned()),
        ];
        lay_over(&mut table, &defaults(), &given).unwrap();
        assert_eq!(table["limits"]["frame_max"], Value::Integer(4096));
        assert_eq!(table["memory"]["high_watermark"], Value::Float(0.5));
        assert_eq!(table["cluster"]["nodes"][1]["peer"], Value::String("h2:2".to_owned()));
        assert_eq!(table["log"]["json"], Value::Boolean(true));
        assert_eq!(table["default_limits"]["vhosts"][0]["max_queues"], Value::Integer(5));
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_flag_and_variable() {
        let error = lay_over(&mut Table::new(), &defaults(), &[("limits.frame_max", "much".to_owned())]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--limits-frame-max") && text.contains("QUORATE_LIMITS_FRAME_MAX"), "{text}");
    }
}
