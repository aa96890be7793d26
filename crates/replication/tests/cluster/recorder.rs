//! Sessions and observer of one node: they keep what they are told, and whoever waits for it is woken.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use queue::{Cancelled, QueueEnded};
use replication::{AlarmKind, ChunkReplies, DeadLetterBatch, MetadataObserver, SessionDelivery, Sessions};
use types::{ConsumerKey, GroupId, MessageRecord, NodeId, QueueId, SessionId};

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// How often a condition is looked at of which nobody is told.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// What a node's sessions and its observer were told.
#[derive(Default)]
pub(crate) struct Told {
    /// Answers in the order in which they came.
    pub(crate) replies: BTreeMap<(SessionId, GroupId), Vec<(u64, ChunkReplies)>>,
    /// Message bodies in the order of their sequence numbers.
    pub(crate) received: BTreeMap<ConsumerKey, Vec<Bytes>>,
    /// Deliveries that left sequence numbers out.
    pub(crate) gaps: Vec<(ConsumerKey, u64)>,
    pub(crate) cancelled: Vec<(ConsumerKey, QueueId)>,
    pub(crate) dead_letters: Vec<(GroupId, DeadLetterBatch)>,
    pub(crate) ended: Vec<(GroupId, QueueEnded)>,
    /// Each time all that stood.
    pub(crate) alarms: Vec<Vec<(NodeId, AlarmKind)>>,
    pub(crate) lost: Vec<GroupId>,
    pub(crate) events: Vec<metadata::Event>,
}

#[derive(Default)]
pub(crate) struct Recorder {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Recorder {
    /// Waits until it is so; returns what is made of it.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&Told) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut told = self.told.lock();
        loop {
            if let Some(found) = look(&told) {
                return found;
            }
            let late = self.changed.wait_until(&mut told, deadline).timed_out();
            assert!(!late, "waited too long for {what}");
        }
    }

    /// Waits for so many answers to a session; returns all of them.
    pub(crate) fn answers(&self, session: SessionId, group: GroupId, count: usize) -> Vec<(u64, ChunkReplies)> {
        self.wait("answers", |told| told.replies.get(&(session, group)).filter(|list| list.len() >= count).cloned())
    }

    /// Waits until a consumer has so many messages; returns all of them.
    pub(crate) fn received(&self, consumer: ConsumerKey, count: usize) -> Vec<Bytes> {
        self.wait("messages", |told| told.received.get(&consumer).filter(|list| list.len() >= count).cloned())
    }

    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.told.lock());
        self.changed.notify_all();
    }
}

impl Sessions for Recorder {
    fn replied(&self, session: SessionId, group: GroupId, token: u64, replies: ChunkReplies) {
        self.note(|told| told.replies.entry((session, group)).or_default().push((token, replies)));
    }

    fn deliver(&self, delivery: SessionDelivery) {
        self.note(|told| {
            let received = told.received.entry(delivery.consumer).or_default();
            for (seq, message) in (delivery.first_seq..).zip(delivery.messages) {
                let next = u64::try_from(received.len()).unwrap() + 1;
                if seq == next {
                    received.push(MessageRecord::decode(message.record).unwrap().body);
                } else if seq > next {
                    told.gaps.push((delivery.consumer, seq));
                }
            }
        });
    }

    fn cancelled(&self, cancelled: Cancelled) {
        self.note(|told| told.cancelled.push((cancelled.consumer, cancelled.queue)));
    }

    fn dead_letters(&self, group: GroupId, letters: DeadLetterBatch) {
        self.note(|told| told.dead_letters.push((group, letters)));
    }

    fn queues_ended(&self, group: GroupId, queues: Vec<QueueEnded>) {
        self.note(|told| told.ended.extend(queues.into_iter().map(|ended| (group, ended))));
    }

    fn alarms_changed(&self, alarms: Vec<(NodeId, AlarmKind)>) {
        self.note(|told| told.alarms.push(alarms));
    }

    fn sessions_lost(&self, group: GroupId) {
        self.note(|told| told.lost.push(group));
    }
}

impl MetadataObserver for Recorder {
    fn changed(&self, _: &metadata::Machine, events: &[metadata::Event]) {
        self.note(|told| told.events.extend_from_slice(events));
    }

    fn replaced(&self, _: &metadata::Machine) {
        // Its events are in the log of a node that never takes a checkpoint.
    }
}
