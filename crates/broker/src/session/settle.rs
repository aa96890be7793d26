//! `basic.ack`, `basic.nack`, `basic.reject`, `basic.recover`: deliveries that the client is done with, gathered per consumer.

use amqp_codec::methods::basic;
use amqp_connection::{SettledList, Verb};
use types::ConsumerKey;

use super::{channel::Channel, shared::Context};
use crate::failure::Failure;

impl Channel {
    /// Takes settled deliveries.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>, verb: Verb, deliveries: &SettledList) -> Result<(), Failure> {
        for settled in deliveries {
            if self.consumers.has_timed_out(settled.consumer) {
                continue;
            }
            let count = settled.range.count();
            cx.shared.tally.settled += count;
            if settled.consumer != ConsumerKey::GET {
                self.unacked = self.unacked.saturating_sub(count);
                if let Some(consumer) = self.consumers.get_mut(settled.consumer) {
                    consumer.unacked = consumer.unacked.saturating_sub(count);
                }
            }
            // Without a group the queue is gone, and what was held of it.
            if let Some(group) = self.group_of(cx.shared, settled.consumer, settled.queue) {
                self.chunk(cx.shared, group).settle(verb, settled.queue, settled.consumer, settled.range);
            }
        }
        if self.waiting > 0 {
            self.has_work(cx.shared);
        }
        Ok(())
    }

    /// Gives back all that the client holds. As in RabbitMQ the answer does not wait for the queues.
    pub(crate) fn recover(
        &mut self,
        cx: &mut Context<'_>,
        deliveries: &SettledList,
        has_reply: bool,
    ) -> Result<(), Failure> {
        self.settle(cx, Verb::Requeue { failed: false }, deliveries)?;
        self.answer(cx, !has_reply, basic::RecoverOk);
        Ok(())
    }
}
