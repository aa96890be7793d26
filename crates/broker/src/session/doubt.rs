//! Messages for a queue that its group does not have.
//!
//! Usually the queue has just been deleted: then they are gone as they would be with it, and are confirmed. But a node that was cut off may
//! not have heard yet that a queue was deleted and declared anew, and routes to the old one what is meant for the new one. So before such a
//! message is confirmed, the node makes sure that it knows of everything (the [barrier]). If there is a queue of that name
//! again, the message is refused, and its publisher publishes it again.

use metadata::Machine;
use queue::SlotRange;
use types::QueueId;

use super::{channel::Channel, chunk::PendingChunk, confirm::Fate, shared::Context};
use crate::{barrier, broker::Broker, completion::Completion, reply_to};

/// A chunk of which some messages are in doubt.
#[derive(Debug)]
pub(crate) struct Doubt {
    pub(crate) chunk: PendingChunk,
    /// Messages that are refused in any case.
    pub(crate) rejected: Vec<SlotRange>,
    /// Messages that a queue was not there for.
    pub(crate) missing: Vec<SlotRange>,
}

impl Doubt {
    /// Whether there may be doubts: somebody waits for confirms, and a queue that is gone may come again.
    pub(crate) fn concerns(chunk: &PendingChunk) -> bool {
        chunk.has_confirms() && !chunk.queues().all(reply_to::is_reply_queue)
    }
}

impl Channel {
    /// Finds out about a chunk before its publisher hears of it. The channel goes on meanwhile.
    pub(crate) fn doubt(&mut self, cx: &mut Context<'_>, doubt: Doubt) {
        let operation = self.operations.next_id();
        self.doubts.insert(operation, doubt);
        barrier::wait(&cx.shared.broker, &cx.shared.mailbox, self.address(), operation);
    }

    /// This node knows of everything, or no majority says what there is: then the messages are refused.
    pub(crate) fn resolve(&mut self, cx: &mut Context<'_>, doubt: Doubt, completion: &Completion) {
        let Doubt { chunk, mut rejected, missing } = doubt;
        if completion.is_err() || has_successor(&cx.shared.broker, &chunk) {
            rejected.extend(missing);
            rejected = SlotRange::merged(rejected);
        }
        self.settle_chunk(cx, &chunk, Fate::Applied(&rejected));
    }
}

/// Whether one of the queues of a chunk is gone, and there is, or may be, another one of its name.
fn has_successor(broker: &Broker, chunk: &PendingChunk) -> bool {
    let machine = broker.metadata().read();
    let mut queues = chunk.queues().filter(|queue| !reply_to::is_reply_queue(*queue));
    queues.any(|queue| machine.queue_by_id(queue).is_none() && is_there_again(broker, &machine, queue))
}

fn is_there_again(broker: &Broker, machine: &Machine, queue: QueueId) -> bool {
    // What this node does not know the name of any more may be there.
    let name = broker.deleted_queues().name_of(queue);
    name.is_none_or(|(vhost, name)| machine.queue(vhost.as_bytes(), name.as_bytes()).is_some())
}
