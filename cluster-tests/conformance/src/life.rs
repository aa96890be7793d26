//! The life of a cluster, with real processes: one node becomes three and four, a disk is emptied, nodes leave and are forgotten, all
//! while confirmed messages are published. At the end a majority is lost for ever.

mod load;
mod nodes;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use xtask::cluster::ClusterSpec;

use self::{
    load::Load,
    nodes::{Member, Nodes},
};
use crate::report::Report;

/// Messages that are confirmed before and after each change.
const BETWEEN: usize = 2000;
/// How long one change may take: dozens of steps, one after another, with snapshots.
const CHANGE: Duration = Duration::from_secs(120);

/// One change, and what it has to come to.
type Step = fn(&mut Nodes) -> Result<()>;

const STEPS: [(&str, Step); 5] = [
    ("a single node grows to three, with a replica of everything on each", grow_to_three),
    ("a fourth node gets its share of replicas", grow_to_four),
    ("a node whose disk was emptied comes back as a new member in the place of the old one", replace),
    ("a node that is decommissioned gives its replicas to others and leaves", decommission),
    ("a node that is dead is forgotten", forget),
];

/// Runs the life of a cluster of its own.
pub fn run(root: &Path, broker: &Path, port_offset: u16, report: &mut Report) -> Result<()> {
    report.heading("the life of a cluster");
    let mut nodes = Nodes::new(ClusterSpec::beside(root, "conformance-life", port_offset), broker)?;
    let load = nodes.start(1).and_then(|()| Load::start(nodes.uris()));
    let load = match load {
        Ok(load) => load,
        Err(error) => {
            report.record("a single node is a cluster", Err(error));
            return Ok(());
        }
    };
    for (behaviour, step) in STEPS {
        let begin = Instant::now();
        let done = load.goes_on(BETWEEN).and_then(|()| step(&mut nodes)).and_then(|()| load.goes_on(BETWEEN));
        let failed = done.is_err();
        report.record(&format!("{behaviour} ({:.0} s)", begin.elapsed().as_secs_f64()), done);
        if failed {
            break;
        }
    }
    let confirmed = load.stop()?;
    println!("   {} messages were confirmed meanwhile, longest gap {} ms", confirmed.ids.len(), confirmed.gap_ms);
    report.record(
        "every message that was confirmed meanwhile is there, in order",
        load::compare(&nodes.uris(), &confirmed),
    );
    report.record("a survivor goes on alone when the majority is lost for ever", lose_majority(&mut nodes));
    Ok(())
}

fn grow_to_three(nodes: &mut Nodes) -> Result<()> {
    nodes.start(2)?;
    nodes.start(3)?;
    placed(nodes, &["node1", "node2", "node3"])
}

fn grow_to_four(nodes: &mut Nodes) -> Result<()> {
    nodes.start(4)?;
    nodes.until(1, CHANGE, |members, status| {
        let fair = members.len() == 4 && members.iter().all(|member| member.state == "up" && member.replicas > 1);
        fair && status["waiting"].is_null()
    })
}

fn replace(nodes: &mut Nodes) -> Result<()> {
    let old = id_of(nodes, "node2")?;
    nodes.kill(2)?;
    nodes.empty(2)?;
    nodes.start(2)?;
    nodes.until(1, CHANGE, |members, status| {
        let named: Vec<&Member> = members.iter().filter(|member| member.name == "node2").collect();
        let is_new = named.len() == 1 && named[0].id != old && named[0].replicas > 0;
        is_new && status["waiting"].is_null()
    })
}

fn decommission(nodes: &mut Nodes) -> Result<()> {
    let said = nodes.ctl(1, &["cluster", "decommission", "node4"])?;
    println!("   decommission: {}", said.trim());
    placed(nodes, &["node1", "node2", "node3"])?;
    // It knows, and says so.
    let begin = Instant::now();
    while nodes.is_ready(4) {
        ensure!(begin.elapsed() < CHANGE, "a node that left says that it is ready");
        std::thread::sleep(nodes::POLL);
    }
    nodes.stop(4)
}

fn forget(nodes: &mut Nodes) -> Result<()> {
    let refused = nodes.ctl(1, &["cluster", "forget", "node3"]);
    ensure!(refused.is_err(), "a node that is up was forgotten: {refused:?}");
    nodes.kill(3)?;
    nodes.until(1, CHANGE, |members, _| members.iter().any(|member| member.name == "node3" && !member.live))?;
    let said = forget_when_silent(nodes, 1, "node3")?;
    println!("   forget: {}", said.trim());
    placed(nodes, &["node1", "node2"])
}

/// A node that was there a moment ago is not forgotten at once.
fn forget_when_silent(nodes: &Nodes, at: usize, name: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        match nodes.ctl(at, &["cluster", "forget", name]) {
            Err(error) if error.to_string().contains("silent") && begin.elapsed() < CHANGE => {
                std::thread::sleep(nodes::POLL);
            }
            other => return other,
        }
    }
}

/// Waits until these are all members and every group has its voters on each of them.
fn placed(nodes: &Nodes, names: &[&str]) -> Result<()> {
    nodes.until(1, CHANGE, |members, status| {
        let all = |list: &serde_json::Value| {
            let list = list.as_array().map(|list| list.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>());
            list.is_some_and(|mut list| {
                list.sort_unstable();
                list == names
            })
        };
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        members.len() == names.len()
            && !groups.is_empty()
            && groups.iter().all(|group| all(&group["members"]) && all(&group["wanted"]))
            && status["waiting"].is_null()
    })
}

fn id_of(nodes: &Nodes, name: &str) -> Result<u64> {
    let (members, _) = nodes.status(1)?;
    members.into_iter().find(|member| member.name == name).map(|member| member.id).context("no such member")
}

fn lose_majority(nodes: &mut Nodes) -> Result<()> {
    let before = nodes.depth(2, load::QUEUE)?;
    nodes.kill(1)?;
    nodes.kill(2)?;
    nodes.empty(1)?;
    let warned = nodes.recover(2, &[]);
    ensure!(warned.is_err(), "data loss was not accepted, and yet: {warned:?}");
    println!("   {}", nodes.recover(2, &["--i-accept-data-loss"])?.trim().replace('\n', "\n   "));
    nodes.start(2)?;
    let said = forget_when_silent(nodes, 2, "node1")?;
    println!("   forget: {}", said.trim());
    nodes.until(2, CHANGE, |members, status| members.len() == 1 && status["waiting"].is_null())?;
    let after = nodes.depth(2, load::QUEUE)?;
    ensure!(after == before, "{before} messages were there, {after} are");
    // Whoever lost everything may come again.
    nodes.start(1)?;
    nodes.until(2, CHANGE, |members, status| {
        members.len() == 2 && members.iter().all(|member| member.state == "up") && status["waiting"].is_null()
    })
}
