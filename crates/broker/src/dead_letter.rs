//! Dead letters: what dies in queues that this node leads goes on to the queues' dead letter exchanges.
//!
//! One task per node, started by the first dead letter. Its inbox is filled by replication, which it never holds up; what it
//! holds is bounded by the machines, which tell no more than a window of each queue's dead letters until some are settled. The
//! task [rewrites](death) and [routes](forward) them, submits them to the groups of their targets in the order in which they
//! died, and [settles](pending) them in their source when all targets have answered.
//!
//! Nothing here survives the node, and nothing has to: a new leader tells the window again, and a group passes over the numbers
//! that it has.

pub(crate) mod death;
mod forward;
mod pending;
mod retry;
mod settings;

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use replication::{ChunkReplies, DeadLetterBatch};
use telemetry::TaskKind;
use tokio::{sync::Notify, time::Instant};
use types::GroupId;

use self::forward::Worker;
use crate::broker::Broker;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// Messages have died.
    Letters(GroupId, DeadLetterBatch),
    /// A target group has answered.
    Replied(u64, ChunkReplies),
    /// Exchanges, queues or bindings have changed: what could not be routed perhaps can be.
    TopologyChanged,
    /// The broker is gone.
    Closed,
}

/// What waits for the task. Letters are bounded by the windows of their queues, answers by the chunks in flight.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    inputs: Mutex<Vec<Input>>,
    wake: Notify,
    is_running: AtomicBool,
    /// Whether a change of topology matters to somebody.
    has_retries: AtomicBool,
}

impl Inbox {
    /// Takes what replication tells.
    pub(crate) fn push(&self, input: Input) {
        self.inputs.lock().push(input);
        self.wake.notify_one();
    }

    /// Metadata has changed.
    pub(crate) fn topology_changed(&self) {
        if self.has_retries.swap(false, Ordering::AcqRel) {
            self.push(Input::TopologyChanged);
        }
    }

    /// Starts the task, if it does not run yet.
    pub(crate) fn start(self: &Arc<Self>, broker: &Weak<Broker>) {
        if self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (inbox, broker) = (Arc::clone(self), Weak::clone(broker));
        telemetry::spawn(TaskKind::Background, "dead-letters", async move { inbox.run(broker).await });
    }

    async fn run(self: Arc<Self>, broker: Weak<Broker>) {
        let Some(session) = broker.upgrade().map(|broker| broker.registry().open_dead_letters(Arc::clone(&self)))
        else {
            return;
        };
        let mut worker = Worker::new(session);
        loop {
            let inputs = std::mem::take(&mut *self.inputs.lock());
            let Some(broker) = broker.upgrade() else { return };
            for input in inputs {
                worker.take(&broker, input);
            }
            worker.retry(&broker, Instant::now());
            drop(broker);
            let due = worker.next_retry();
            self.has_retries.store(due.is_some(), Ordering::Release);
            self.sleep_until(due).await;
        }
    }

    async fn sleep_until(&self, due: Option<Instant>) {
        // Both branches are cancel-safe: a permit of the wake-up stays until it is taken, and the timer is made anew.
        match due {
            Some(due) => tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(due) => {}
            },
            None => self.wake.notified().await,
        }
    }
}
