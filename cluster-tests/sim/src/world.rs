//! What the parts of one run share: the trace, what was found, who is there, and the clients' book.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use broker::Broker;
use parking_lot::Mutex;
use replication::{Metadata as _, Replication};
use types::NodeId;

use crate::{invariants::Raft, mutation::Mutation, oracle::Oracle, trace::Trace};

/// A process that runs.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) replication: Replication,
    pub(crate) broker: Arc<Broker>,
}

/// What is known of one node.
#[derive(Default)]
struct Host {
    /// There is a process.
    is_up: bool,
    /// The machine is without power: nobody is there who could refuse a connection.
    is_dark: bool,
    /// Once it has started its groups.
    running: Option<Running>,
    /// Why it cannot go on, when it cannot.
    failed: Option<String>,
    /// Something of it was cut off, slow or down at this time last.
    troubled_at: Option<Duration>,
    clock_offset_ms: i64,
}

/// A node that an operator wants to leave.
struct Leaving {
    at: usize,
    /// The member that the cluster was told to let go.
    node: Option<NodeId>,
    is_accepted: bool,
}

/// One run.
pub(crate) struct World {
    pub(crate) trace: Trace,
    pub(crate) oracle: Mutex<Oracle>,
    pub(crate) raft: Mutex<Raft>,
    pub(crate) mutation: Option<Mutation>,
    hosts: Mutex<Vec<Host>>,
    violations: Mutex<Vec<String>>,
    phase: Mutex<Phase>,
    leaving: Mutex<Option<Leaving>>,
    left: Mutex<BTreeSet<usize>>,
    publishing: AtomicUsize,
}

/// A publisher that has not got all its answers, while this lives.
#[derive(Debug)]
pub(crate) struct Publishing(Arc<World>);

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.publishing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They publish and consume as they like.
    Work,
    /// They publish no more, and take what is there.
    Drain,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

/// A node's name; they count from one.
pub(crate) fn name(at: usize) -> String {
    format!("node-{}", at + 1)
}

impl World {
    pub(crate) fn new(nodes: usize, is_printed: bool, mutation: Option<Mutation>) -> Arc<Self> {
        Arc::new(World {
            trace: Trace::new(is_printed),
            oracle: Mutex::default(),
            raft: Mutex::default(),
            mutation,
            hosts: Mutex::new((0..nodes).map(|_| Host::default()).collect()),
            violations: Mutex::default(),
            phase: Mutex::new(Phase::Work),
            leaving: Mutex::default(),
            left: Mutex::default(),
            publishing: AtomicUsize::new(0),
        })
    }

    /// Something happened that must not.
    pub(crate) fn violation(&self, what: String) {
        self.trace.event("VIOLATION", format_args!("{what}"));
        self.violations.lock().push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.lock().clone()
    }

    /// A publisher begins.
    pub(crate) fn publishes(self: &Arc<Self>) -> Publishing {
        self.publishing.fetch_add(1, Ordering::Relaxed);
        Publishing(Arc::clone(self))
    }

    /// How many publishers have not got all their answers.
    pub(crate) fn publishing(&self) -> usize {
        self.publishing.load(Ordering::Relaxed)
    }

    /// An operator wants a node to leave.
    pub(crate) fn order_leave(&self, at: usize) {
        *self.leaving.lock() = Some(Leaving { at, node: None, is_accepted: false });
    }

    /// The node that is to leave, while the cluster has not accepted that.
    pub(crate) fn leave_order(&self) -> Option<usize> {
        self.leaving.lock().as_ref().filter(|leaving| !leaving.is_accepted).map(|leaving| leaving.at)
    }

    /// The cluster is told that this member is to leave.
    pub(crate) fn leave_ordered(&self, node: NodeId) {
        self.leaving.lock().iter_mut().for_each(|leaving| leaving.node = Some(node));
    }

    /// The cluster has accepted that.
    pub(crate) fn leave_accepted(&self) {
        self.leaving.lock().iter_mut().for_each(|leaving| leaving.is_accepted = true);
    }

    /// The node of which the cluster was told that it is to leave.
    pub(crate) fn leaving(&self) -> Option<(usize, NodeId)> {
        self.leaving.lock().as_ref().and_then(|leaving| Some((leaving.at, leaving.node?)))
    }

    /// The operator has ended a node that has left.
    pub(crate) fn ended_for_good(&self, at: usize) {
        self.left.lock().insert(at);
    }

    /// Nodes that have left and do not come back.
    pub(crate) fn left(&self) -> BTreeSet<usize> {
        self.left.lock().clone()
    }

    /// The node that has left, as far as any node knows.
    pub(crate) fn who_left(&self) -> Option<usize> {
        let (at, node) = self.leaving()?;
        let others = self.hosts.lock().len();
        let mut others = (0..others).filter(|other| *other != at).filter_map(|other| self.running(other));
        others.any(|other| other.replication.read().cluster().is_gone(node)).then_some(at)
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    pub(crate) fn drain(&self) {
        *self.phase.lock() = Phase::Drain;
    }

    /// Whether a connection to that host is refused: its machine is there, and no process listens.
    pub(crate) fn refuses(&self, host: &str) -> bool {
        let hosts = self.hosts.lock();
        let at = (0..hosts.len()).find(|at| name(*at) == host);
        at.is_none_or(|at| !hosts[at].is_up && !hosts[at].is_dark)
    }

    /// A process starts.
    pub(crate) fn started(&self, at: usize) {
        let mut hosts = self.hosts.lock();
        hosts[at].is_up = true;
        hosts[at].is_dark = false;
        hosts[at].failed = None;
    }

    /// A process has ended, with its machine's power or without.
    pub(crate) fn ended(&self, at: usize, is_dark: bool) {
        let mut hosts = self.hosts.lock();
        hosts[at].is_up = false;
        hosts[at].is_dark = is_dark;
        hosts[at].failed = None;
        // What runs is dropped outside the lock.
        let running = hosts[at].running.take();
        drop(hosts);
        drop(running);
    }

    pub(crate) fn is_up(&self, at: usize) -> bool {
        self.hosts.lock()[at].is_up
    }

    pub(crate) fn set_running(&self, at: usize, running: Running) {
        self.hosts.lock()[at].running = Some(running);
    }

    pub(crate) fn running(&self, at: usize) -> Option<Running> {
        self.hosts.lock()[at].running.clone()
    }

    /// A process cannot go on.
    pub(crate) fn fail(&self, at: usize, why: String) {
        self.hosts.lock()[at].failed.get_or_insert(why);
    }

    pub(crate) fn failure(&self, at: usize) -> Option<String> {
        self.hosts.lock()[at].failed.clone()
    }

    /// Something of the node is cut off, slow or down now.
    pub(crate) fn trouble(&self, at: usize) {
        self.hosts.lock()[at].troubled_at = Some(self.trace.elapsed());
    }

    /// Whether the node was undisturbed since then.
    pub(crate) fn is_calm_since(&self, at: usize, since: Duration) -> bool {
        self.hosts.lock()[at].troubled_at.is_none_or(|troubled| troubled < since)
    }

    pub(crate) fn clock_offset_ms(&self, at: usize) -> i64 {
        self.hosts.lock()[at].clock_offset_ms
    }

    pub(crate) fn set_clock_offset_ms(&self, at: usize, offset: i64) {
        self.hosts.lock()[at].clock_offset_ms = offset;
    }
}
