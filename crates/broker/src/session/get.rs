//! `basic.get` and `queue.purge`: one question to the queue's group, one answer to the client.
//!
//! What a session fetches from a queue is numbered without gap, and held until it is settled. When a leader dies with an answer
//! on its lips, the next one sends what is held again: then the fetched message is known from that, or, if another was fetched
//! meanwhile, from the gap, and goes back to the queue.

use std::collections::BTreeMap;

use amqp_codec::methods::{basic, queue as methods};
use amqp_connection::{Delivery, Origin, Verb};
use auth::{Access, Kind};
use bytes::Bytes;
use queue::Got;
use replication::{DeliveredRecord, SessionDelivery};
use types::{ConsumerKey, MessageRecord, MessageRef, QueueId, SeqRange, ShortStr};

use super::{
    channel::{Caller, Channel},
    operation::{Place, Step, refused},
    shared::Context,
};
use crate::failure::Failure;

/// What a channel knows of the messages that it has fetched.
#[derive(Debug, Default)]
pub(crate) struct Gets {
    /// The last number of each queue.
    last: BTreeMap<QueueId, u64>,
    /// A message that came again before the answer that it belongs to.
    early: Option<(QueueId, Got, Bytes)>,
}

impl Channel {
    /// Fetches one message.
    pub(crate) fn get(&mut self, cx: &mut Context<'_>, caller: Caller, get: &basic::Get) -> Result<(), Failure> {
        let (name, place) = self.readable(cx, &get.queue)?;
        self.holds_in(place.group);
        self.begin(cx, caller, Step::Get { place, name, no_ack: get.no_ack });
        Ok(())
    }

    /// Empties a queue.
    pub(crate) fn queue_purge(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        purge: &methods::Purge,
    ) -> Result<(), Failure> {
        let (name, place) = self.readable(cx, &purge.queue)?;
        self.begin(cx, caller, Step::Purge { place, name, no_wait: purge.no_wait, is_again: false });
        Ok(())
    }

    /// A message was fetched.
    pub(crate) fn got(
        &mut self,
        cx: &mut Context<'_>,
        place: Place,
        no_ack: bool,
        got: &Got,
        record: Bytes,
    ) -> Result<(), Failure> {
        self.gets.early = None;
        let last = self.gets.last.insert(place.queue, got.seq).unwrap_or(0);
        if got.seq > last + 1 {
            let lost = SeqRange { first: last + 1, last: got.seq - 1 };
            self.give_back(cx, place, lost);
        }
        let message =
            MessageRecord::decode(record).map_err(|_| Failure::internal("a stored message cannot be read"))?;
        let delivery = Delivery {
            consumer_tag: ShortStr::EMPTY,
            origin: Origin { consumer: ConsumerKey::GET, queue: place.queue, seq: got.seq },
            no_ack,
            redelivered: got.redelivered,
            delivery_count: got.delivery_count,
            message,
        };
        if self.is_open {
            cx.shared.tally.delivered += 1;
            if cx.shared.broker.firehose().is_on() {
                cx.shared.tap_out(self.number, place.queue, got.redelivered, &delivery.message);
            }
            cx.conn.get_ok(self.number, &delivery, u32::try_from(got.remaining).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// A new leader sends what `basic.get` holds again.
    pub(crate) fn got_again(&mut self, cx: &mut Context<'_>, delivery: SessionDelivery) {
        let Some(group) = self.group_of(cx.shared, ConsumerKey::GET, delivery.queue) else { return };
        let place = Place { queue: delivery.queue, group };
        for (seq, message) in (delivery.first_seq..).zip(delivery.messages) {
            if self.gets.last.get(&place.queue).is_some_and(|last| seq <= *last) {
                cx.shared.tally.repeated += 1;
                continue;
            }
            if self.is_getting_from(place.queue) {
                let DeliveredRecord { record, redelivered, delivery_count } = message;
                let at = MessageRef::default();
                let got = Got { seq, message: at, redelivered, delivery_count, remaining: 0 };
                self.gets.early = Some((place.queue, got, record));
            } else {
                self.gets.last.insert(place.queue, seq);
                self.give_back(cx, place, SeqRange::one(seq));
            }
        }
    }

    /// The answer to `basic.get` is lost: answers with the message that came again, if it has.
    pub(crate) fn answer_get_again(&mut self, cx: &mut Context<'_>, place: Place, no_ack: bool) -> bool {
        match self.gets.early.take() {
            Some((queue, got, record)) if queue == place.queue => self.got(cx, place, no_ack, &got, record).is_ok(),
            Some(_) | None => false,
        }
    }

    fn is_getting_from(&self, queue: QueueId) -> bool {
        let step = self.operations.first();
        matches!(step, Some(Step::Get { place, .. }) if place.queue == queue)
    }

    fn give_back(&mut self, cx: &mut Context<'_>, place: Place, range: SeqRange) {
        let verb = Verb::Requeue { failed: false };
        self.chunk(cx.shared, place.group).settle(verb, place.queue, ConsumerKey::GET, range);
    }

    /// The name that a client gave, or that of the queue declared last when it gave none.
    pub(crate) fn named_or_last(&self, name: &ShortStr) -> Result<ShortStr, Failure> {
        if !name.is_empty() {
            return Ok(name.compact());
        }
        if self.last_queue.is_empty() {
            return Err(Failure::no_previous_queue());
        }
        Ok(self.last_queue.clone())
    }

    /// A queue that the client may read from.
    fn readable(&self, cx: &mut Context<'_>, name: &ShortStr) -> Result<(ShortStr, Place), Failure> {
        let name = self.named_or_last(name)?;
        cx.shared.check(Access::Read, Kind::Queue, &name)?;
        let machine = cx.shared.broker.metadata().read();
        let queue = machine.queue_for(&cx.shared.vhost, &name, cx.shared.id).map_err(|why| refused(&why))?;
        let place = Place { queue: queue.id, group: queue.group };
        drop(machine);
        Ok((name, place))
    }
}
