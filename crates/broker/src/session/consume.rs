//! `basic.consume` and `basic.cancel`, and the ends of consumers that nobody asked for.

use std::collections::VecDeque;

use amqp_codec::methods::{Method, basic};
use auth::{Access, Kind};
use queue::{CancelReason, Command, ConsumerOptions, Refusal, Reply};
use types::{FieldTable, FieldValue, ShortStr};

use super::{
    channel::{Caller, Channel},
    consumer::{Consumer, CreditWindow, ahead},
    describe::encoded,
    operation::{Detaching, Place, Step, no_queue_or, refused},
    shared::{Context, Shared},
};
use crate::{
    failure::{self, Failure},
    metrics, names, reply_to,
};

impl Channel {
    /// Begins a consumer.
    pub(crate) fn consume(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        consume: basic::Consume,
    ) -> Result<(), Failure> {
        if self.consumers.number_of(&consume.consumer_tag).is_some() {
            let tag = &consume.consumer_tag;
            return Err(Failure::not_allowed(format!("attempt to reuse consumer tag '{tag}'")));
        }
        let most = cx.shared.broker.config().consumers_per_channel_max;
        if most != 0 && self.consumers.len() >= most {
            return Err(Failure::not_allowed(format!("reached maximum ({most}) of consumers per channel")));
        }
        if consume.queue == reply_to::QUEUE {
            return self.consume_replies(cx, caller, &consume);
        }
        let name = self.named_or_last(&consume.queue)?;
        cx.shared.check(Access::Read, Kind::Queue, &name)?;
        let (place, settings) = {
            let machine = cx.shared.broker.metadata().read();
            let queue = machine.queue_for(&cx.shared.vhost, &name, cx.shared.id).map_err(|why| refused(&why))?;
            (Place { queue: queue.id, group: queue.group }, machine.effective_queue(queue))
        };
        let arguments = Arguments::read(&consume.arguments, &name, &cx.shared.vhost)?;
        if settings.single_active_consumer && consume.exclusive {
            return Err(Failure::exclusive_use(&name, &cx.shared.vhost));
        }
        let default_timeout_ms = cx.shared.broker.config().consumer_timeout_ms;
        let timeout_ms = arguments.timeout_ms.or(settings.consumer_timeout_ms).or(default_timeout_ms);
        let timeout_ms = timeout_ms.filter(|ms| *ms > 0 && !consume.no_ack);
        let prefetch = self.prefetch_of_consumer();
        let credit = (prefetch == 0 || consume.no_ack).then(CreditWindow::new);
        let in_queue = match timeout_ms {
            _ if consume.no_ack => 0,
            // What waits here counts as held, though the client has not seen it.
            Some(_) => prefetch,
            None => ahead(prefetch),
        };
        let options = ConsumerOptions {
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: in_queue,
            initial_credit: credit.as_ref().map_or(0, CreditWindow::granted),
            priority: arguments.priority,
            timeout_ms,
        };
        let number = self.add_consumer(cx.shared, &consume, place, credit);
        self.begin(cx, caller, Step::Attach { number, place, name, options, consume: Box::new(consume) });
        Ok(())
    }

    /// Notes a consumer that its queue is to have.
    pub(crate) fn add_consumer(
        &mut self,
        shared: &Shared,
        consume: &basic::Consume,
        place: Place,
        credit: Option<CreditWindow>,
    ) -> u32 {
        let tag = &consume.consumer_tag;
        let number = self.consumers.add(Consumer {
            tag: if tag.is_empty() { names::generate("amq.ctag") } else { tag.compact() },
            queue: place.queue,
            group: place.group,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            arguments: encoded(&consume.arguments),
            is_active: false,
            last_seq: 0,
            waiting: VecDeque::new(),
            prefetch: self.prefetch_of_consumer(),
            unacked: 0,
            credit,
        });
        metrics::consumer_added();
        shared.broker.registry().watch(place.queue, self.key(number));
        self.holds_in(place.group);
        number
    }

    /// The queue has the consumer, or does not want it.
    pub(crate) fn attached(
        &mut self,
        cx: &mut Context<'_>,
        number: u32,
        name: &ShortStr,
        no_wait: bool,
        reply: &Reply,
    ) -> Result<(), Failure> {
        if *reply != Reply::Done {
            self.forget_consumer(cx.shared, number);
            return Err(match reply {
                Reply::Refused(Refusal::ExclusiveUse) => Failure::exclusive_use(name, &cx.shared.vhost),
                other => no_queue_or(cx, name, other),
            });
        }
        // Metadata may have lost the queue before the answer came.
        let Some(consumer) = self.consumers.get_mut(number) else {
            return Err(Failure::not_found(failure::queue(name, &cx.shared.vhost)));
        };
        consumer.is_active = true;
        let consumer_tag = consumer.tag.clone();
        cx.shared.tell_consumer_created(self.number, consumer);
        self.answer(cx, no_wait, basic::ConsumeOk { consumer_tag });
        self.has_work(cx.shared);
        Ok(())
    }

    /// Ends a consumer. One that is not known is answered as if it had been.
    pub(crate) fn cancel(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        cancel: basic::Cancel,
    ) -> Result<(), Failure> {
        let basic::Cancel { consumer_tag, no_wait } = cancel;
        let number = self.consumers.number_of(&consumer_tag);
        let answer: Method = basic::CancelOk { consumer_tag }.into();
        let Some((number, consumer)) = number.and_then(|number| Some((number, self.consumers.get(number)?))) else {
            self.answer(cx, no_wait, answer);
            return Ok(());
        };
        let place = Place { queue: consumer.queue, group: consumer.group };
        self.begin(cx, caller, Step::Detach(Detaching { number, place, answer: (!no_wait).then_some(answer) }));
        Ok(())
    }

    /// The queue has let the consumer go, and has ended if that was its last and it is one that does so.
    pub(crate) fn detached(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        detaching: Detaching,
        reply: &Reply,
    ) -> Result<(), Failure> {
        let Detaching { number, place, answer } = detaching;
        self.end_consumer(cx, number);
        let has_ended = matches!(reply, Reply::Detached { queue_ended: true, .. });
        if has_ended && !reply_to::is_reply_queue(place.queue) {
            self.unlist(cx, caller, place, answer, None);
        } else if let Some(answer) = answer {
            self.send(cx, answer);
        }
        Ok(())
    }

    /// The consumer is over without having asked.
    pub(crate) fn cancelled(&mut self, cx: &mut Context<'_>, number: u32, reason: CancelReason) {
        let Some(consumer) = self.consumers.get(number) else { return };
        let (tag, was_active, held) = (consumer.tag.clone(), consumer.is_active, consumer.unacked);
        match reason {
            CancelReason::QueueGone => {
                self.end_consumer(cx, number);
                if was_active && self.is_open && !self.has_failed {
                    if self.is_deleting() {
                        self.cancels_due.push(tag);
                    } else {
                        cx.conn.cancel_consumer(self.number, &tag);
                    }
                }
            }
            CancelReason::Timeout { after_ms } => {
                self.end_consumer(cx, number);
                // What the client held is back in the queue. What it still says of it comes too late.
                self.unacked = self.unacked.saturating_sub(held);
                self.consumers.note_timed_out(number);
                if self.is_open && !self.has_failed {
                    // A client that does not know that consumers can be cancelled loses its channel.
                    cx.conn.consumer_timed_out(self.number, &tag, after_ms);
                }
            }
        }
        if self.waiting > 0 {
            self.has_work(cx.shared);
        }
    }

    /// The user's rights have changed: consumers of queues that may not be read any more end.
    pub(crate) fn recheck_consumers(&mut self, cx: &mut Context<'_>) {
        let consumers: Vec<_> = self.consumers.iter().map(|(number, consumer)| (number, consumer.queue)).collect();
        for (number, queue) in consumers {
            let machine = cx.shared.broker.metadata().read();
            let name = machine.queue_by_id(queue).map(|queue| queue.name.clone());
            drop(machine);
            if name.is_some_and(|name| !cx.shared.may_read(&name)) {
                self.revoke(cx, number);
            }
        }
    }

    fn revoke(&mut self, cx: &mut Context<'_>, number: u32) {
        let Some(consumer) = self.consumers.get(number) else { return };
        let (queue, group) = (consumer.queue, consumer.group);
        self.cancelled(cx, number, CancelReason::QueueGone);
        self.chunk(cx.shared, group).push(Command::Detach { queue, number });
    }

    /// Whether the client waits for a queue's end: what it is told of consumers follows the answer, as in RabbitMQ.
    fn is_deleting(&self) -> bool {
        let step = self.operations.first();
        matches!(step, Some(Step::Delete(_) | Step::Unlist { .. }))
    }

    /// Tells of the consumers that went with the queue whose end was just answered.
    pub(crate) fn tell_cancelled(&mut self, cx: &mut Context<'_>) {
        for tag in std::mem::take(&mut self.cancels_due) {
            if self.is_open && !self.has_failed {
                cx.conn.cancel_consumer(self.number, &tag);
            }
        }
    }

    /// Takes a consumer out.
    fn end_consumer(&mut self, cx: &mut Context<'_>, number: u32) {
        let Some(mut consumer) = self.forget_consumer(cx.shared, number) else { return };
        self.send_settled(cx, number, &mut consumer);
        self.give_back_waiting(cx.shared, number, consumer);
    }

    pub(crate) fn forget_consumer(&mut self, shared: &Shared, number: u32) -> Option<Consumer> {
        let consumer = self.consumers.remove(number)?;
        shared.broker.registry().unwatch(consumer.queue, self.key(number));
        if reply_to::is_reply_queue(consumer.queue) {
            self.reply_name = None;
        }
        metrics::consumer_removed();
        if consumer.is_active {
            shared.tell_consumer_deleted(self.number, &consumer);
        }
        Some(consumer)
    }
}

/// The arguments of `basic.consume` that mean something here.
#[derive(Debug)]
struct Arguments {
    /// `x-priority`
    priority: i64,
    /// `x-consumer-timeout`. Unit: milliseconds; zero: none, whatever the queue says.
    timeout_ms: Option<u64>,
}

impl Arguments {
    fn read(arguments: &FieldTable, name: &ShortStr, vhost: &ShortStr) -> Result<Self, Failure> {
        let number = |argument: &str| match arguments.get(argument) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| {
                let why = format!("\"expected integer, got {}\"", value.type_name());
                Failure::invalid_argument(argument, &failure::queue(name, vhost), &why)
            }),
        };
        let timeout_ms = number("x-consumer-timeout")?.map(u64::try_from).transpose().map_err(|_| {
            let value = arguments.get("x-consumer-timeout").and_then(FieldValue::as_i64).unwrap_or_default();
            let why = format!("{{value_negative,{value}}}");
            Failure::invalid_argument("x-consumer-timeout", &failure::queue(name, vhost), &why)
        })?;
        Ok(Arguments { priority: number("x-priority")?.unwrap_or(0), timeout_ms })
    }
}
