//! What a group's leader does about differences between metadata and the group's machine: queues that one of the two has and the other
//! has not, queues that the machine has ended, settings that have changed.
//!
//! Metadata is right about which queues there are, but for those that the machine has ended: ids are used once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use metadata::Event;
use parking_lot::Mutex;
use queue::{Command, EndReason, QueueEnded};
use tokio::{sync::Notify, time::Instant};
use types::{GroupId, QueueId};

use crate::settings::queue_config;

/// How often a leader compares its queues with metadata.
const EVERY: Duration = Duration::from_secs(10);
/// How often metadata's keepers are reminded of queues that have ended.
const REMIND_EVERY: Duration = Duration::from_secs(1);
/// Queues whose settings are compared in one round, though nothing says that they have changed. All of a group with 10,000 have
/// had their turn after 12 s.
const COMPARED_MAX: usize = 200;
/// Queues of metadata and machine that are compared in one round, while both are locked. All of a group with 100,000 have had
/// their turn after 5 s. While many are being declared, the two differ all the time.
const LOOKED_MAX: usize = 10_000;
/// Of everything else, so much in one round.
const WORK_MAX: usize = 1000;

/// Queues whose settings have changed in metadata, and whose machine was perhaps not told.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    groups: Mutex<BTreeMap<GroupId, Arc<GroupChanges>>>,
}

/// Those of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupChanges {
    queues: Mutex<BTreeSet<QueueId>>,
    wake: Notify,
}

impl Changes {
    /// The changes of a group that this node has a replica of; noted from now on.
    pub(crate) fn of(&self, group: GroupId) -> Arc<GroupChanges> {
        Arc::clone(self.groups.lock().entry(group).or_default())
    }

    /// Metadata has changed.
    pub(crate) fn note(&self, events: &[Event]) {
        for event in events {
            if let Event::QueueSettingsChanged { queue, group } = event
                && let Some(changes) = self.groups.lock().get(group)
            {
                changes.queues.lock().insert(*queue);
                changes.wake.notify_one();
            }
        }
    }
}

impl GroupChanges {
    /// Waits for the next change. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// They do not matter: all will be looked at.
    pub(crate) fn clear(&self) {
        self.queues.lock().clear();
    }

    fn take(&self) -> BTreeSet<QueueId> {
        std::mem::take(&mut self.queues.lock())
    }
}

/// What has to be done.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// For the group's machine.
    pub commands: Vec<Command>,
    /// For who keeps metadata.
    pub ended: Vec<QueueEnded>,
    /// There is more to do at once.
    pub again: bool,
}

/// The comparison of one group, while this node leads it.
#[derive(Debug, Default)]
pub(crate) struct Reconcile {
    compared_at: Option<Instant>,
    /// A comparison is under way: those up to there were compared.
    comparing: Option<Option<QueueId>>,
    /// Whether metadata and the group had different numbers of queues in the last round.
    differed: bool,
    reminded_at: Option<Instant>,
    /// Queues that had ended when metadata's keepers were reminded last.
    reminded: BTreeSet<QueueId>,
    /// Queues whose settings have changed and who are not in the machine yet.
    changed: BTreeSet<QueueId>,
    /// The settings of queues up to this one were compared.
    settled_to: Option<QueueId>,
    /// Since this node leads, the settings of all were.
    all_settled: bool,
}

impl Reconcile {
    /// Compares. Queues of a memory group are made and deleted by their node itself.
    pub(crate) fn round(
        &mut self,
        group: GroupId,
        changes: &GroupChanges,
        meta: &metadata::Machine,
        queues: &queue::Machine,
    ) -> Round {
        let mut round = Round::default();
        if group.local_node().is_none() {
            self.queues(group, meta, queues, &mut round);
        }
        self.ended(meta, queues, &mut round);
        self.changed.append(&mut changes.take());
        self.settings(meta, queues, &mut round);
        round
    }

    fn queues(&mut self, group: GroupId, meta: &metadata::Machine, queues: &queue::Machine, round: &mut Round) {
        // The length of a map's iterator is known: nothing is counted.
        let differs = meta.queue_count_in_group(group) != queues.queues().size_hint().0;
        // A declaration or deletion that is under way differs for a moment; one that its node did not finish, for longer.
        let unfinished = differs && self.differed;
        self.differed = differs;
        if unfinished || self.compared_at.is_none_or(|at| at.elapsed() > EVERY) {
            self.compared_at = Some(Instant::now());
            self.comparing.get_or_insert(None);
        }
        if let Some(from) = self.comparing {
            let up_to = disagreements(group, from, meta, queues, &mut round.commands);
            self.comparing = up_to.map(Some);
        }
    }

    /// Queues that the machine has ended: metadata has to forget them, and then the machine has.
    fn ended(&mut self, meta: &metadata::Machine, queues: &queue::Machine, round: &mut Round) {
        let mut known = BTreeSet::new();
        let mut forgotten = Vec::new();
        for queue in queues.ended() {
            if meta.queue_by_id(queue).is_some() {
                known.insert(queue);
            } else if queue < meta.next_queue_id() && forgotten.len() < WORK_MAX {
                forgotten.push(queue);
            }
        }
        if !forgotten.is_empty() {
            round.commands.push(Command::Forget { queues: forgotten });
        }
        if self.reminded_at.is_some_and(|at| at.elapsed() < REMIND_EVERY) {
            return;
        }
        // They were told when it happened, and need some time; a new leader does not know whether they were.
        let is_first = self.reminded_at.is_none();
        let late = known.iter().filter(|queue| is_first || self.reminded.contains(queue)).take(WORK_MAX);
        round.ended.extend(late.map(|queue| QueueEnded { queue: *queue, reason: reason(meta, *queue) }));
        self.reminded = known;
        self.reminded_at = Some(Instant::now());
    }

    fn settings(&mut self, meta: &metadata::Machine, queues: &queue::Machine, round: &mut Round) {
        let changed_count = self.changed.len();
        let changed: Vec<QueueId> = self.changed.iter().copied().take(WORK_MAX).collect();
        for queue in changed {
            let is_awaited = meta.queue_by_id(queue).is_some() && queues.config(queue).is_none();
            round.commands.extend(configure(meta, queues, queue));
            // Whoever creates it may have read the settings before they changed. Then it is told once it is there.
            if !is_awaited {
                self.changed.remove(&queue);
            }
        }
        // A new leader does not know what the last one came to.
        let count = if self.all_settled { COMPARED_MAX } else { WORK_MAX };
        let some: Vec<QueueId> = queues.queues_after(self.settled_to).take(count).collect();
        self.settled_to = some.last().copied().filter(|_| some.len() == count);
        self.all_settled |= self.settled_to.is_none();
        round.commands.extend(some.into_iter().filter_map(|queue| configure(meta, queues, queue)));
        round.again = !self.all_settled || changed_count > WORK_MAX;
    }
}

/// Queues above `from` that metadata has and this group has not, and the other way round. Up to where it came; `None`: to the end.
fn disagreements(
    group: GroupId,
    from: Option<QueueId>,
    meta: &metadata::Machine,
    queues: &queue::Machine,
    commands: &mut Vec<Command>,
) -> Option<QueueId> {
    let next = meta.next_queue_id();
    let mut here = queues.queues_after(from).peekable();
    let mut wanted = meta.queues_in_group_after(group, from).peekable();
    let mut looked_at = from;
    for _ in 0..LOOKED_MAX {
        let queue = match (here.peek().copied(), wanted.peek().copied()) {
            (None, None) => return None,
            (Some(one), Some(other)) => one.min(other),
            (Some(one), None) | (None, Some(one)) => one,
        };
        let is_here = here.next_if_eq(&queue).is_some();
        let is_wanted = wanted.next_if_eq(&queue).is_some();
        if is_here && !is_wanted && queue < next {
            // One with a higher id than metadata has given out here is one that this node has not heard of yet.
            commands.push(Command::DeleteQueue { queue, if_unused: false, if_empty: false });
        } else if is_wanted && !is_here && !queues.has_ended(queue) {
            commands.push(Command::CreateQueue { queue, config: queue_config(meta, queue) });
        }
        looked_at = Some(queue);
        if commands.len() >= WORK_MAX {
            break;
        }
    }
    looked_at
}

/// The command that brings a queue's settings up to date, when they are not.
fn configure(meta: &metadata::Machine, queues: &queue::Machine, queue: QueueId) -> Option<Command> {
    let now = queues.config(queue)?;
    meta.queue_by_id(queue)?;
    let config = queue_config(meta, queue);
    (config != *now).then_some(Command::ConfigureQueue { queue, config })
}

/// Why a queue has ended, as far as its settings tell: the machine does not keep it.
fn reason(meta: &metadata::Machine, queue: QueueId) -> EndReason {
    match meta.queue_by_id(queue).is_some_and(|queue| queue.auto_delete) {
        true => EndReason::LastConsumer,
        false => EndReason::Expired,
    }
}

#[cfg(test)]
mod tests;
