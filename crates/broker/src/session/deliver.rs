//! Deliveries: repeats are dropped, the rest goes to the client as fast as it may and does read.

use amqp_connection::{Delivery, Origin, Verb};
use replication::{DeliveredRecord, SessionDelivery};
use tracing::{error, warn};
use types::{ConsumerKey, MessageRecord, SeqRange};

use super::{
    channel::{Caller, Channel},
    consumer::{Consumer, Waiting},
    shared::{Context, OUTPUT_HIGH, Shared},
};
use crate::failure::Failure;

impl Channel {
    /// Takes messages for a consumer.
    pub(crate) fn deliver(&mut self, cx: &mut Context<'_>, delivery: SessionDelivery) {
        let number = delivery.consumer.number;
        if number == ConsumerKey::GET {
            self.got_again(cx, delivery);
            return;
        }
        let Some(consumer) = self.consumers.get_mut(number) else {
            self.give_back_late(cx, &delivery);
            return;
        };
        if delivery.messages.is_empty() && consumer.no_ack {
            // What was settled as it was sent, and lost on the way, is not sent again; credit for it is.
            consumer.last_seq = consumer.last_seq.max(delivery.first_seq.saturating_sub(1));
            let seq = consumer.last_seq;
            if consumer.waiting.is_empty()
                && let Some(credit) = &mut consumer.credit
                && credit.passed(seq)
                && self.credit_due.last() != Some(&number)
            {
                self.credit_due.push(number);
            }
        }
        for (seq, message) in (delivery.first_seq..).zip(delivery.messages) {
            if seq <= consumer.last_seq {
                cx.shared.tally.repeated += 1;
            } else {
                // What is settled as it is sent is not sent again by a new leader: there, a gap is what was lost on the way.
                if seq != consumer.last_seq + 1 && !consumer.no_ack {
                    // They come again, with these behind them, when the link that lost them is back.
                    warn!(session = %self.session, number, seq, last = consumer.last_seq, "deliveries are missing");
                    break;
                }
                consumer.last_seq = seq;
                consumer.waiting.push_back(Waiting { seq, message });
                self.waiting += 1;
            }
        }
        self.send_waiting(cx, number);
        if self.waiting > 0 || !self.credit_due.is_empty() {
            self.has_work(cx.shared);
        }
    }

    /// Sends what waits, to all consumers in turn, until the client may not or does not take more.
    pub(crate) fn send_all_waiting(&mut self, cx: &mut Context<'_>) {
        if self.waiting == 0 {
            return;
        }
        for number in self.consumers.waiting() {
            if cx.conn.pending_output_bytes() >= OUTPUT_HIGH {
                return;
            }
            self.send_waiting(cx, number);
            self.consumers.round_from = number;
        }
    }

    /// Sends what waits for one consumer.
    pub(crate) fn send_waiting(&mut self, cx: &mut Context<'_>, number: u32) {
        let most = if self.shared_prefetch == 0 { u64::MAX } else { u64::from(self.shared_prefetch) };
        let Some(consumer) = self.consumers.get_mut(number) else { return };
        if !consumer.is_active || !self.is_open || self.has_failed {
            return;
        }
        while cx.conn.pending_output_bytes() < OUTPUT_HIGH {
            if !consumer.no_ack && (self.unacked >= most || consumer.is_full()) {
                return;
            }
            let Some(waiting) = consumer.waiting.pop_front() else { return };
            self.waiting -= 1;
            self.unacked += u64::from(!consumer.no_ack);
            consumer.unacked += u64::from(!consumer.no_ack);
            let bytes = waiting.message.record.len();
            let seq = waiting.seq;
            if !send_one(cx, self.number, number, consumer, waiting) {
                let failure = Failure::internal("a stored message cannot be read");
                self.fail(cx, &failure, Caller::default());
                return;
            }
            if let Some(credit) = &mut consumer.credit
                && credit.sent(seq, bytes)
                && self.credit_due.last() != Some(&number)
            {
                self.credit_due.push(number);
            }
        }
    }

    /// Grants credit to the consumers that have used half of theirs.
    pub(crate) fn grant_credit(&mut self, shared: &mut Shared) {
        for number in std::mem::take(&mut self.credit_due) {
            let Some(consumer) = self.consumers.get_mut(number) else { continue };
            let (queue, group) = (consumer.queue, consumer.group);
            if let Some(up_to) = consumer.credit.as_mut().and_then(|credit| credit.grant()) {
                self.chunk(shared, group).credit(queue, number, up_to);
            }
        }
    }

    /// What a consumer that ends was not sent: deliveries that are settled already are sent now.
    pub(crate) fn send_settled(&mut self, cx: &mut Context<'_>, number: u32, consumer: &mut Consumer) {
        if !consumer.no_ack || !self.is_open || self.has_failed {
            return;
        }
        self.waiting -= consumer.waiting.len();
        for waiting in std::mem::take(&mut consumer.waiting) {
            send_one(cx, self.number, number, consumer, waiting);
        }
    }

    /// What a consumer that ends was not sent goes back to its queue.
    pub(crate) fn give_back_waiting(&mut self, shared: &mut Shared, number: u32, consumer: Consumer) {
        self.waiting -= consumer.waiting.len();
        if consumer.no_ack {
            return;
        }
        for waiting in consumer.waiting {
            let (verb, range) = (Verb::Requeue { failed: false }, SeqRange::one(waiting.seq));
            self.chunk(shared, consumer.group).settle(verb, consumer.queue, number, range);
        }
    }

    /// Messages that come for a consumer that has ended go back, unless the client has seen them.
    fn give_back_late(&mut self, cx: &mut Context<'_>, delivery: &SessionDelivery) {
        let number = delivery.consumer.number;
        let count = u64::try_from(delivery.messages.len()).unwrap_or(u64::MAX);
        let Some(last_seen) = self.consumers.ended_mut(number) else { return };
        let first = delivery.first_seq.max(*last_seen + 1);
        let last = delivery.first_seq.saturating_add(count) - 1;
        if count == 0 || last < first {
            return;
        }
        *last_seen = last;
        if let Some(group) = self.group_of(cx.shared, number, delivery.queue) {
            let verb = Verb::Requeue { failed: false };
            self.chunk(cx.shared, group).settle(verb, delivery.queue, number, SeqRange { first, last });
        }
    }
}

/// Whether the record could be read.
fn send_one(cx: &mut Context<'_>, channel: u16, number: u32, consumer: &Consumer, waiting: Waiting) -> bool {
    let Waiting { seq, message: DeliveredRecord { record, redelivered, delivery_count } } = waiting;
    let Ok(message) = MessageRecord::decode(record) else {
        error!(queue_id = %consumer.queue, seq, "a stored message cannot be read");
        return false;
    };
    if cx.shared.broker.firehose().is_on() {
        cx.shared.tap_out(channel, consumer.queue, redelivered, &message);
    }
    let delivery = Delivery {
        consumer_tag: consumer.tag.clone(),
        origin: Origin { consumer: number, queue: consumer.queue, seq },
        no_ack: consumer.no_ack,
        redelivered,
        delivery_count,
        message,
    };
    cx.shared.tally.delivered += 1;
    cx.conn.deliver(channel, &delivery);
    true
}
