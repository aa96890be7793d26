//! `basic.qos`: how much a client may hold.
//!
//! With `global=false` the count holds for each consumer that comes later, in its queue's machine. With `global=true` it is
//! shared by all consumers of the channel, those that are there included: their queues may send each as much, and the session
//! keeps back what the client may not hold yet. As in RabbitMQ, `global=false` ends a shared limit.

use amqp_codec::methods::basic;

use super::{channel::Channel, shared::Context};
use crate::failure::Failure;

impl Channel {
    /// Sets the prefetch. (`prefetch_size` other than zero does not get here.)
    pub(crate) fn qos(&mut self, cx: &mut Context<'_>, qos: &basic::Qos) -> Result<(), Failure> {
        if qos.global {
            self.shared_prefetch = qos.prefetch_count;
        } else {
            self.prefetch = qos.prefetch_count;
            self.shared_prefetch = 0;
        }
        self.send(cx, basic::QosOk);
        Ok(())
    }

    /// How many messages a new consumer may hold; zero: no limit.
    pub(crate) fn prefetch_of_consumer(&self) -> u32 {
        let (own, shared) = (u32::from(self.prefetch), u32::from(self.shared_prefetch));
        match (own, shared) {
            (0, limit) | (limit, 0) => limit,
            (own, shared) => own.min(shared),
        }
    }
}
