//! What nodes tell each other of themselves once a second: what their clock says, whether their disk hangs, which of their replicas
//! have failed, and whether they have clients.
//!
//! From the first follows the time that leaders stamp entries with ([`Health::time`]): this node's clock, but never far from those of
//! the others. Machines never let time run backwards, so one leader whose clock is an hour ahead would stop time for an hour after it
//! has gone, and end early whatever waits (ADR 0030). Only differences within this process are taken between two readings of the
//! monotonic clock; Raft's timers know no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use proto::generated::peer as p;
use tokio::time::Instant;
use types::{GroupId, NodeId, Timestamp};

use crate::{
    clock::Clock,
    metrics,
    transport::{Peers, wire},
};

/// How often a node tells.
const ROUND: Duration = Duration::from_secs(1);
/// What a node's clock said counts for so long. A clock that is corrected is heard of a round later; one that went with its node is
/// of use for a while.
const HEARD_FOR: Duration = Duration::from_secs(60);
/// A stamp is no further than this from the clocks of the others. Clocks that a daemon keeps are closer by far, so that it changes
/// nothing there; and nothing expires earlier than by this.
pub(crate) const DRIFT_MAX: Duration = Duration::from_secs(1);

/// What this node knows of the others' clocks and disks.
#[derive(Debug, Default)]
pub(crate) struct Health {
    clock: Clock,
    heard: Mutex<BTreeMap<NodeId, Heard>>,
    /// This node's disk hangs.
    stalled: AtomicBool,
    /// This node's replicas that have failed.
    failed: Mutex<BTreeSet<GroupId>>,
    /// This node serves no clients, and has none left.
    has_no_clients: AtomicBool,
    /// It was said that this node's clock is off.
    is_off: AtomicBool,
}

#[derive(Clone, Debug)]
struct Heard {
    at: Instant,
    clock: Timestamp,
    stalled: bool,
    failed: Vec<GroupId>,
    may_have_clients: bool,
}

impl Health {
    /// With this node's clock.
    pub(crate) fn new(clock: Clock) -> Self {
        Health { clock, ..Health::default() }
    }

    /// A peer tells of itself.
    pub(crate) fn heard(&self, node: NodeId, told: &p::Health) {
        let failed = told.failed_groups.iter().map(|group| GroupId(*group)).collect();
        let heard = Heard {
            at: Instant::now(),
            clock: Timestamp(told.clock_ms),
            stalled: told.disk_stalled,
            failed,
            may_have_clients: told.may_have_clients,
        };
        self.heard.lock().insert(node, heard);
    }

    /// This node's disk hangs, or does so no more.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// Whether this node's disk hangs.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether a peer's disk hangs, as far as it has told lately.
    pub(crate) fn is_peer_stalled(&self, node: NodeId) -> bool {
        self.heard.lock().get(&node).is_some_and(|heard| heard.stalled && heard.at.elapsed() < HEARD_FOR)
    }

    /// A replica of this node has failed. Returns whether that is news.
    pub(crate) fn replica_fails(&self, group: GroupId) -> bool {
        self.failed.lock().insert(group)
    }

    /// A replica of this node is closed, or begins.
    pub(crate) fn forget_failure(&self, group: GroupId) {
        self.failed.lock().remove(&group);
    }

    /// Replicas that have failed: those of this node, and what others have told lately.
    pub(crate) fn failed_replicas(&self, own: NodeId) -> Vec<(NodeId, GroupId)> {
        let mut all: Vec<_> = self.failed.lock().iter().map(|group| (own, *group)).collect();
        let heard = self.heard.lock();
        let fresh = heard.iter().filter(|(_, heard)| heard.at.elapsed() < HEARD_FOR);
        all.extend(fresh.flat_map(|(node, heard)| heard.failed.iter().map(|group| (*node, *group))));
        all
    }

    /// Whether a replica of another node has failed, as far as it has told lately.
    pub(crate) fn has_failed(&self, node: NodeId, group: GroupId) -> bool {
        let heard = self.heard.lock();
        heard.get(&node).is_some_and(|heard| heard.failed.contains(&group) && heard.at.elapsed() < HEARD_FOR)
    }

    /// Whether a peer has clients or may get some, as far as it has told lately.
    pub(crate) fn may_have_clients(&self, node: NodeId) -> bool {
        self.heard.lock().get(&node).is_some_and(|heard| heard.may_have_clients && heard.at.elapsed() < HEARD_FOR)
    }

    /// Whether a peer could lead a group, as far as it has told lately.
    pub(crate) fn could_lead(&self, node: NodeId, group: GroupId) -> bool {
        !self.is_peer_stalled(node) && !self.has_failed(node, group)
    }

    /// What a leader stamps entries with.
    pub(crate) fn time(&self) -> Timestamp {
        near(self.clock.now(), &self.other_clocks())
    }

    fn other_clocks(&self) -> Vec<Timestamp> {
        let heard = self.heard.lock();
        let fresh = heard.values().map(|heard| (heard, heard.at.elapsed())).filter(|(_, age)| *age < HEARD_FOR);
        fresh.map(|(heard, age)| heard.clock.plus_ms(millis(age))).collect()
    }

    fn message(&self) -> p::Message {
        let failed_groups = self.failed.lock().iter().map(|group| group.0).collect();
        let health = p::Health {
            clock_ms: self.clock.now().0,
            disk_stalled: self.is_stalled(),
            failed_groups,
            may_have_clients: !self.has_no_clients.load(Ordering::Relaxed),
        };
        wire::message(p::message::Kind::Health(health))
    }

    /// Tells the peers now.
    pub(crate) fn tell(&self, peers: &Peers) {
        peers.control_all(&self.message());
    }

    /// Tells a peer whose link has come up.
    pub(crate) fn tell_one(&self, peers: &Peers, peer: NodeId) {
        peers.control(peer, self.message());
    }

    /// Tells the peers each round, and whoever reads the log when this node's clock is off; runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>, peers: Arc<Peers>, may_have_clients: impl Fn() -> bool) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.has_no_clients.store(!may_have_clients(), Ordering::Relaxed);
            self.tell(&peers);
            let (clock, others) = (self.clock.now(), self.other_clocks());
            let off_ms = near(clock, &others).0.abs_diff(clock.0);
            metrics::clock_off(off_ms);
            metrics::groups_failed(self.failed.lock().len());
            let is_off = off_ms > 0;
            if self.is_off.swap(is_off, Ordering::Relaxed) != is_off {
                if is_off {
                    let beyond_ms = millis(DRIFT_MAX);
                    tracing::error!(
                        off_ms,
                        beyond_ms,
                        "this node's clock is far from those of the others, set it right"
                    );
                } else {
                    tracing::info!("this node's clock is near those of the others again");
                }
            }
        }
    }
}

/// A clock held near the others: no further than [`DRIFT_MAX`] from the one in the middle of all of them, itself included. Of two in
/// the middle the earlier counts: late is better than early.
fn near(own: Timestamp, others: &[Timestamp]) -> Timestamp {
    let mut all: Vec<u64> = others.iter().map(|clock| clock.0).chain([own.0]).collect();
    all.sort_unstable();
    let middle = all[(all.len() - 1) / 2];
    let drift = millis(DRIFT_MAX);
    Timestamp(own.0.clamp(middle.saturating_sub(drift), middle.saturating_add(drift)))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const NOW: u64 = 1_000 * HOUR;

    fn at(own: u64, others: &[u64]) -> u64 {
        near(Timestamp(own), &others.iter().map(|ms| Timestamp(*ms)).collect::<Vec<_>>()).0
    }

    #[test]
    fn clocks_that_are_kept_are_taken_as_they_are() {
        assert_eq!(at(NOW, &[]), NOW);
        assert_eq!(at(NOW, &[NOW + 40, NOW - 90]), NOW);
        assert_eq!(at(NOW + 900, &[NOW, NOW]), NOW + 900);
    }

    #[test]
    fn a_clock_that_is_an_hour_ahead_or_behind_is_held_near_the_others() {
        assert_eq!(at(NOW + HOUR, &[NOW, NOW + 10]), NOW + 10 + 1000);
        assert_eq!(at(NOW - HOUR, &[NOW, NOW + 10]), NOW - 1000);
    }

    #[test]
    fn others_that_are_off_move_nobody() {
        assert_eq!(at(NOW, &[NOW + HOUR, NOW]), NOW);
        assert_eq!(at(NOW, &[NOW - HOUR, NOW + HOUR]), NOW);
        assert_eq!(at(NOW, &[NOW + HOUR, NOW + HOUR, NOW, NOW]), NOW);
    }

    #[test]
    fn of_two_clocks_the_earlier_counts() {
        assert_eq!(at(NOW + HOUR, &[NOW]), NOW + 1000);
        assert_eq!(at(NOW, &[NOW + HOUR]), NOW);
    }

    #[test]
    fn what_was_heard_goes_on_with_the_monotonic_clock_and_a_stalled_disk_is_known() {
        let health = Health::default();
        let told = p::Health {
            clock_ms: health.clock.now().0.saturating_sub(HOUR),
            disk_stalled: true,
            ..p::Health::default()
        };
        health.heard(NodeId(2), &told);
        let other = health.other_clocks()[0].0;
        assert!(other >= told.clock_ms && other < told.clock_ms + HOUR / 2);
        assert!(health.is_peer_stalled(NodeId(2)) && !health.is_peer_stalled(NodeId(3)));
        assert!(health.time().0 <= other + 2 * millis(DRIFT_MAX));
    }
}
