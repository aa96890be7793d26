//! A network namespace for each node, a bridge between them, and rules that cut, lose or delay what goes from one to another.
//!
//! Clients and this program are on the bridge itself. What they say to nodes for administration is never cut, so that the run
//! sees what it does.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use xtask::{process, shell};

const BRIDGE: &str = "qfaults0";
const NAMESPACE: &str = "quorate-faults-";
/// More nodes than any scenario has.
pub(super) const NODES_MAX: usize = 5;
/// Where clients are.
pub(super) const HOST_ADDRESS: &str = "10.77.0.254";
/// Where nodes listen for clients.
pub(super) const AMQP_PORT: u16 = 5672;
/// Where nodes listen for each other.
pub(super) const PEER_PORT: u16 = 25672;

/// One end of a link: a node, or the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A node, counted from 1.
    Node(usize),
    /// All clients.
    Clients,
}

/// What happens to packets in one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All are lost.
    Cut,
    /// So many of a hundred are lost, by chance.
    Lossy(u8),
}

/// The links that are not as they should be, by their direction.
pub type Faults = BTreeMap<(End, End), Fate>;

/// Where a node is.
pub(super) fn address(node: usize) -> String {
    format!("10.77.0.{node}")
}

fn namespace(node: usize) -> String {
    format!("{NAMESPACE}{node}")
}

/// The host's end of a node's link.
fn link(node: usize) -> String {
    format!("qfaults-v{node}")
}

/// What runs a program in a node's network: put its path and arguments behind.
pub(super) fn enter(node: usize) -> Vec<String> {
    vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", namespace(node))]
}

/// Makes bridge and namespaces for so many nodes.
pub(super) fn create(nodes: usize) -> Result<()> {
    ensure!(nodes <= NODES_MAX, "at most {NODES_MAX} nodes");
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", &format!("{HOST_ADDRESS}/24"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    (1..=nodes).try_for_each(create_node)
}

fn create_node(node: usize) -> Result<()> {
    let (name, link) = (namespace(node), link(node));
    ip(&["netns", "add", &name])?;
    ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
    ip(&["link", "set", &link, "master", BRIDGE, "up"])?;
    ip(&["-n", &name, "address", "add", &format!("{}/24", address(node)), "dev", "eth0"])?;
    ip(&["-n", &name, "link", "set", "eth0", "up"])?;
    ip(&["-n", &name, "link", "set", "lo", "up"])
}

/// Puts the rules of one node into force, at once. `detours` send what goes to another node's peer port to a port of the host.
pub(super) fn apply(node: usize, faults: &Faults, detours: &[(usize, u16)]) -> Result<()> {
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]);
    let mut enter = enter(node).into_iter();
    let mut command = Command::new(enter.next().context("a program")?);
    command.args(enter).arg(nft.get_program()).args(nft.get_args());
    let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start nft")?;
    let mut input = child.stdin.take().context("nft has no input")?;
    input.write_all(rules(node, faults, detours).as_bytes())?;
    drop(input);
    ensure!(child.wait()?.success(), "nft refused the rules");
    Ok(())
}

/// Packets are dropped where they arrive, so that one direction can be cut alone; those to clients are dropped where they start.
fn rules(node: usize, faults: &Faults, detours: &[(usize, u16)]) -> String {
    let (mut input, mut output, mut nat) = (String::new(), String::new(), String::new());
    for ((from, to), fate) in faults {
        let drop = match fate {
            Fate::Cut => "drop".to_owned(),
            Fate::Lossy(percent) => format!("numgen random mod 100 < {percent} drop"),
        };
        let line = match (from, to) {
            (End::Node(other), End::Node(to)) if *to == node => writeln!(input, "ip saddr {} {drop}", address(*other)),
            (End::Clients, End::Node(to)) if *to == node => {
                writeln!(input, "ip saddr {HOST_ADDRESS} tcp dport {AMQP_PORT} {drop}")
            }
            (End::Node(from), End::Clients) if *from == node => {
                writeln!(output, "ip daddr {HOST_ADDRESS} tcp sport {AMQP_PORT} {drop}")
            }
            _ => Ok(()),
        };
        line.expect("text can be written to a string");
    }
    for (to, port) in detours {
        let line = format!("ip daddr {} tcp dport {PEER_PORT} dnat to {HOST_ADDRESS}:{port}\n", address(*to));
        nat.push_str(&line);
    }
    format!(
        "table ip faults {{}}\ndelete table ip faults\ntable ip faults {{\n\
         chain in {{ type filter hook input priority 0;\n{input}}}\n\
         chain out {{ type filter hook output priority 0;\n{output}}}\n\
         chain detour {{ type nat hook output priority -100;\n{nat}}}\n}}\n"
    )
}

/// Ends what runs in the namespaces of an earlier run, and removes them.
pub(super) fn sweep() {
    for node in 1..=NODES_MAX {
        let (name, link) = (namespace(node), link(node));
        // A namespace goes some time after it is deleted, and what is in it with it; a link goes at once.
        if std::path::Path::new("/sys/class/net").join(&link).exists() {
            ip(&["link", "delete", &link]).ok();
        }
        if !std::path::Path::new("/run/netns").join(&name).exists() {
            continue;
        }
        let pids = Command::new("ip").args(["netns", "pids", &name]).output();
        let pids = pids.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for pid in pids.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()) {
            process::signal(pid, "KILL").ok();
            process::wait_until_gone(pid, "", std::time::Duration::from_secs(10)).ok();
        }
        ip(&["netns", "delete", &name]).ok();
    }
    if std::path::Path::new("/sys/class/net").join(BRIDGE).exists() {
        ip(&["link", "delete", BRIDGE]).ok();
    }
}

/// Tries it with one node.
pub(crate) fn probe() -> Result<()> {
    sweep();
    let cut =
        Faults::from([((End::Clients, End::Node(1)), Fate::Cut), ((End::Node(2), End::Node(1)), Fate::Lossy(10))]);
    let result = create(1).and_then(|()| apply(1, &cut, &[(2, 40_000)]));
    sweep();
    result
}

fn ip(args: &[&str]) -> Result<()> {
    shell::quiet(Command::new("ip").args(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_dropped_in_the_direction_that_is_cut_and_in_no_other() {
        let faults = Faults::from([((End::Node(1), End::Node(2)), Fate::Cut)]);
        assert!(
            rules(2, &faults, &[])
                .contains("chain in { type filter hook input priority 0;\nip saddr 10.77.0.1 drop\n}")
        );
        assert!(!rules(1, &faults, &[]).contains("drop"));
    }

    #[test]
    fn clients_are_cut_off_at_the_node() {
        let there = Faults::from([((End::Clients, End::Node(1)), Fate::Cut)]);
        assert!(rules(1, &there, &[]).contains("ip saddr 10.77.0.254 tcp dport 5672 drop"));
        let back = Faults::from([((End::Node(1), End::Clients), Fate::Lossy(30))]);
        let text = rules(1, &back, &[]);
        assert!(text.contains("ip daddr 10.77.0.254 tcp sport 5672 numgen random mod 100 < 30 drop"));
    }
}
