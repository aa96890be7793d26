//! Makes sure that this node knows of everything that was answered before somebody asked: a command that changes nothing is committed,
//! and what comes before it in the metadata log is applied here. One commit is for all who have asked when it begins, so that clients who
//! look for what is not there are no burden to the cluster, however many they are (ADR 0037).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metadata::{Command, Reply};
use parking_lot::Mutex;
use replication::MetadataUnavailable;
use telemetry::TaskKind;
use types::QueueId;

use crate::{
    broker::Broker,
    completion::Completion,
    mailbox::{Address, Mail, Mailbox},
};

/// No queue has this number, so that deleting it changes nothing.
const NO_QUEUE: QueueId = QueueId(0);
/// Who asks that many others have asked before is told that it cannot be known: more than a node's busy clients ask in a round trip.
const WAITING_MAX: usize = 16_384;
/// For so long after it has asked, a node counts as knowing what there is. A declaration waits longer than that for a node that does not
/// hear of it, unless its links were closed.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// For so long after no majority has answered, who asks is told so at once: a channel with many messages of which nobody knows
/// whether a queue takes them would else wait for each.
const UNANSWERED_FOR: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Barrier(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_under_way: bool,
    waiting: Vec<Waiting>,
    /// When the last one began that came through.
    passed: Option<Instant>,
    /// When the last one was given up, unless one has come through since.
    unanswered: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    mailbox: Arc<Mailbox>,
    to: Address,
    operation: u64,
}

impl Waiting {
    fn tell(self, completion: Completion) {
        let Waiting { mailbox, to, operation } = self;
        mailbox.push(Mail::Completed { to, operation, completion, is_spread: true });
    }
}

impl Barrier {
    /// Whether this node has just known what there is.
    pub(crate) fn is_fresh(&self) -> bool {
        self.0.lock().passed.is_some_and(|passed| passed.elapsed() < FRESH_FOR)
    }

    /// One that began then is over.
    fn is_over(&self, begun: Instant, completion: &Completion) {
        let mut state = self.0.lock();
        match completion {
            Ok(_) => (state.passed, state.unanswered) = (Some(begun), None),
            Err(MetadataUnavailable) => state.unanswered = Some(Instant::now()),
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut state = self.0.lock();
        state.is_under_way = !state.waiting.is_empty();
        std::mem::take(&mut state.waiting)
    }
}

/// The operation is told when this node knows what there is, or that no majority answers.
pub(crate) fn wait(broker: &Arc<Broker>, mailbox: &Arc<Mailbox>, to: Address, operation: u64) {
    let waiting = Waiting { mailbox: Arc::clone(mailbox), to, operation };
    let mut state = broker.barrier().0.lock();
    let is_unanswered = state.unanswered.is_some_and(|at| at.elapsed() < UNANSWERED_FOR);
    if is_unanswered || state.waiting.len() >= WAITING_MAX {
        drop(state);
        return waiting.tell(Err(MetadataUnavailable));
    }
    state.waiting.push(waiting);
    let is_under_way = std::mem::replace(&mut state.is_under_way, true);
    drop(state);
    if !is_under_way {
        begin(broker);
    }
}

/// One commit after the other, until nobody waits.
fn begin(broker: &Arc<Broker>) {
    let waiting = broker.barrier().take();
    if waiting.is_empty() {
        return;
    }
    let begun = Instant::now();
    let change = broker.metadata().change(Command::DeleteQueue { queue: NO_QUEUE });
    let broker = Arc::clone(broker);
    telemetry::spawn(TaskKind::Background, "metadata-barrier", async move {
        // Only this node has to know: nobody is waited for.
        let completion: Completion = change.await.map(|_| Reply::Deleted { existed: false, queues: Vec::new() });
        broker.barrier().is_over(begun, &completion);
        waiting.into_iter().for_each(|waiting| waiting.tell(completion.clone()));
        begin(&broker);
    });
}
