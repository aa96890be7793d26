//! The cluster changes. What lived in the memory of a member that goes, goes with it.

use types::Timestamp;

use super::node_gone;
use crate::{ClusterCommand, Event, Home, Machine, NodeGone, Refusal, Reply};

pub(crate) fn apply(
    machine: &mut Machine,
    command: &ClusterCommand,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Result<Reply, Refusal> {
    let before = machine.cluster.clone();
    let reply = machine.cluster.apply(command).map_err(Refusal::Cluster)?;
    let heir = if let ClusterCommand::Remove { heir, .. } = command { *heir } else { None };
    for node in before.members.keys().filter(|node| machine.cluster.is_gone(**node)).copied().collect::<Vec<_>>() {
        let home = Home { node, boot: u64::MAX };
        node_gone::apply(machine, &NodeGone { home, heir }, now, events);
    }
    if machine.cluster != before {
        events.push(Event::ClusterChanged);
    }
    Ok(reply)
}
