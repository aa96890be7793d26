//! First deliveries to a consumer keep the order in which one publisher's channel has sent to the queue (I8; AMQP 0-9-1 §4.7).

use std::collections::BTreeMap;

use crate::oracle::{ConsumerId, MessageId, QueueKey, Verdict};

/// The last first delivery of each publisher to each consumer.
#[derive(Debug, Default)]
pub(crate) struct Fifo(BTreeMap<(ConsumerId, QueueKey, u64), u64>);

impl Fifo {
    pub(crate) fn first_delivery(&mut self, id: &MessageId, to: ConsumerId) -> Verdict {
        let last = self.0.entry((to, id.queue.clone(), id.publisher)).or_insert(0);
        if id.seq <= *last {
            return Err(format!("{id} came to {to:?} after number {last}"));
        }
        *last = id.seq;
        Ok(())
    }
}
