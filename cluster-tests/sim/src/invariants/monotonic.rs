//! Terms and applied indexes of a replica only grow while its process lives; its term outlives it as far as it led in it: whoever
//! leads has made its vote durable (Raft §5.1, figure 2 "persistent state").

use std::collections::BTreeMap;

use replication::{EntryId, ReplicaView};
use types::GroupId;

use crate::oracle::Verdict;

#[derive(Clone, Copy, Debug, Default)]
struct Replica {
    term: u64,
    applied: u64,
    /// The last term in which it led.
    led: u64,
}

/// How far each replica was seen.
#[derive(Debug, Default)]
pub(crate) struct Progress(BTreeMap<(usize, GroupId), Replica>);

impl Progress {
    pub(crate) fn applied(&mut self, node: usize, group: GroupId, entry: EntryId) -> Verdict {
        let replica = self.0.entry((node, group)).or_default();
        if replica.applied != 0 && entry.index != replica.applied + 1 {
            return Err(format!("group {group}: node {} applies {} after {}", node + 1, entry.index, replica.applied));
        }
        replica.applied = entry.index;
        Ok(())
    }

    pub(crate) fn restored(&mut self, node: usize, group: GroupId, up_to: EntryId) {
        self.0.entry((node, group)).or_default().applied = up_to.index;
    }

    pub(crate) fn seen(&mut self, node: usize, view: &ReplicaView) -> Verdict {
        let replica = self.0.entry((node, view.group)).or_default();
        if view.term < replica.term {
            return Err(format!(
                "group {}: the term of node {} goes back from {} to {}",
                view.group,
                node + 1,
                replica.term,
                view.term
            ));
        }
        replica.term = view.term;
        if view.leads {
            replica.led = view.term;
        }
        Ok(())
    }

    pub(crate) fn deleted(&mut self, node: usize, group: GroupId) {
        if let Some(replica) = self.0.get_mut(&(node, group)) {
            replica.applied = 0;
        }
    }

    pub(crate) fn wiped(&mut self, node: usize) {
        self.0.retain(|(of, _), _| *of != node);
    }

    pub(crate) fn ended(&mut self, node: usize) {
        for ((of, _), replica) in &mut self.0 {
            if *of == node {
                *replica = Replica { term: replica.led, applied: 0, led: replica.led };
            }
        }
    }
}
