//! Watches what a node's replicas apply, while they do, for the invariants.

use std::sync::Arc;

use bytes::Bytes;
use replication::{EntryId, MachineState, Witness};
use storage::{LogStore, sim::SimStore};
use types::GroupId;

use crate::{
    invariants::{Found, bodies_are_there, log_matching},
    world::{World, name},
};

/// State digests are taken after every so many entries: they cost in the size of the state.
const DIGEST_EVERY: u64 = 4;

/// The witness of one node.
#[derive(Debug)]
pub(crate) struct NodeWitness {
    pub(crate) world: Arc<World>,
    pub(crate) at: usize,
    pub(crate) store: Arc<SimStore>,
}

/// One number for some bytes (FNV-1a).
pub(crate) fn content(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl NodeWitness {
    fn verdict(&self, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.world.violation(what);
        }
    }

    fn find(&self, group: GroupId, index: u64) -> Found {
        let record = self
            .store
            .read_log(group, index..index + 1, usize::MAX)
            .ok()
            .and_then(|records| records.into_iter().next());
        match record.map(|record| EntryId::of(&record)) {
            Some(Ok(entry)) => Found::Entry(entry),
            _ if self.store.read_checkpoint(group).is_ok_and(|checkpoint| checkpoint.is_some()) => Found::Covered,
            _ => Found::Nothing,
        }
    }
}

impl Witness for NodeWitness {
    fn applied(&self, group: GroupId, entry: EntryId, head: &Bytes, state: &MachineState<'_>) {
        let digest = entry.index.is_multiple_of(DIGEST_EVERY).then(|| state.digest());
        let EntryId { term, leader, index } = entry;
        self.world.trace.event(&name(self.at), format_args!("applied {group}/{index} of {term}-{leader} {digest:x?}"));
        let verdict = self.world.raft.lock().applied(self.at, group, entry, content(head), digest);
        self.verdict(verdict);
    }

    fn restored(&self, group: GroupId, up_to: EntryId, state: &MachineState<'_>) {
        self.world.trace.event(&name(self.at), format_args!("restored {group} up to {}", up_to.index));
        let verdict = self.world.raft.lock().restored(self.at, group, up_to, state.digest());
        self.verdict(verdict);
    }

    fn deleted(&self, group: GroupId) {
        self.world.trace.event(&name(self.at), format_args!("deleted its replica of {group}"));
        self.world.raft.lock().deleted(self.at, group);
    }

    fn leads(&self, group: GroupId, first: EntryId) {
        let EntryId { term, leader, index } = first;
        self.world.trace.event(&name(self.at), format_args!("leads {group} as {term}-{leader} from {index}"));
        let verdict = self.world.raft.lock().leads(self.at, group, first, |index| self.find(group, index));
        self.verdict(verdict);
    }
}

/// Looks at all replicas of the nodes that run, from outside.
pub(crate) fn look(world: &World, stores: &[Arc<SimStore>]) {
    let mut logs: std::collections::BTreeMap<GroupId, Vec<(usize, log_matching::Log)>> = Default::default();
    for (at, store) in stores.iter().enumerate() {
        let Some(running) = world.running(at) else { continue };
        if store.has_failed() {
            // It takes nothing any more, and its node is about to stop.
            continue;
        }
        for view in running.replication.inspect() {
            let last = world.raft.lock().last_applied(view.group);
            let bodies = bodies_are_there::check(at, &view, last, |index| {
                store.read_blob(view.group, index).is_ok_and(|blob| blob.is_some())
            });
            let seen = world.raft.lock().seen(at, &view);
            for verdict in [bodies, seen] {
                verdict.unwrap_or_else(|what| world.violation(what));
            }
            logs.entry(view.group).or_default().push((at, log(store, view.group)));
        }
    }
    for (group, logs) in logs {
        log_matching::check(group, &logs).unwrap_or_else(|what| world.violation(what));
    }
}

/// The last part of a log: more than any fault leaves unequal.
fn log(store: &SimStore, group: GroupId) -> log_matching::Log {
    const ENTRIES: u64 = 200;
    let Some((first, last)) = store.log_bounds(group) else { return Vec::new() };
    // No leader has proposed the first entry: every founder has written its own.
    let from = first.max(last.saturating_sub(ENTRIES)).max(1);
    let records = store.read_log(group, from..last + 1, usize::MAX).unwrap_or_default();
    let entries = records.iter().filter_map(|record| Some((EntryId::of(record).ok()?, content(&record.head))));
    entries.collect()
}
