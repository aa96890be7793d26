//! `basic.consume` and `basic.cancel`, and the ends of consumers that nobody asked for.

use std::collections::VecDeque;

use amqp_codec::methods::{Method, basic};
use auth::{Access, Kind};
use queue::{Command, ConsumerOptions, Refusal, Reply};
use types::{FieldTable, ShortStr};

use super::{
    channel::{Caller, Channel},
    consumer::{Consumer, CreditWindow, ahead},
    describe::encoded,
    operation::{Detaching, Place, Step, no_queue_or, refused},
    shared::{Context, Shared},
    unsupported,
};
use crate::{
    failure::{self, Failure},
    metrics, names,
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
        unsupported::check_consume(&consume)?;
        let name = self.named_or_last(&consume.queue)?;
        cx.shared.check(Access::Read, Kind::Queue, &name)?;
        let (place, auto_delete) = {
            let machine = cx.shared.broker.metadata().read();
            let queue = machine.queue_for(&cx.shared.vhost, &name, cx.shared.id).map_err(|why| refused(&why))?;
            (Place { queue: queue.id, group: queue.group }, queue.auto_delete)
        };
        check_arguments(&consume.arguments, &name, &cx.shared.vhost)?;
        let prefetch = self.prefetch_of_consumer();
        let credit = (prefetch == 0 || consume.no_ack).then(CreditWindow::new);
        let options = ConsumerOptions {
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: if consume.no_ack { 0 } else { ahead(prefetch) },
            initial_credit: credit.as_ref().map_or(0, CreditWindow::granted),
            ..ConsumerOptions::default()
        };
        let tag =
            if consume.consumer_tag.is_empty() { names::generate("amq.ctag") } else { consume.consumer_tag.compact() };
        let number = self.consumers.add(Consumer {
            tag,
            queue: place.queue,
            group: place.group,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            arguments: encoded(&consume.arguments),
            auto_delete,
            is_active: false,
            last_seq: 0,
            waiting: VecDeque::new(),
            prefetch,
            unacked: 0,
            credit,
        });
        metrics::consumer_added();
        cx.shared.broker.registry().watch(place.queue, self.key(number));
        self.holds_in(place.group);
        self.begin(cx, caller, Step::Attach { number, place, name, options, no_wait: consume.no_wait });
        Ok(())
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
        if let Some(consumer) = self.consumers.get_mut(number) {
            consumer.is_active = true;
            let consumer_tag = consumer.tag.clone();
            cx.shared.tell_consumer_created(self.number, consumer);
            self.answer(cx, no_wait, basic::ConsumeOk { consumer_tag });
            self.has_work(cx.shared);
        }
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

    /// The queue has let the consumer go.
    pub(crate) fn detached(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        detaching: Detaching,
        reply: &Reply,
    ) -> Result<(), Failure> {
        let Detaching { number, place, answer } = detaching;
        let auto_delete = self.end_consumer(cx, number);
        if auto_delete && matches!(reply, Reply::Detached { consumers: 0, .. }) {
            self.begin(cx, caller, Step::DeleteUnused { place, answer });
        } else if let Some(answer) = answer {
            self.send(cx, answer);
        }
        Ok(())
    }

    /// The consumer's queue is gone.
    pub(crate) fn cancelled(&mut self, cx: &mut Context<'_>, number: u32) {
        let Some(consumer) = self.consumers.get(number) else { return };
        let (tag, was_active) = (consumer.tag.clone(), consumer.is_active);
        self.end_consumer(cx, number);
        if was_active && self.is_open && !self.has_failed {
            cx.conn.cancel_consumer(self.number, &tag);
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
        self.cancelled(cx, number);
        self.chunk(cx.shared, group).push(Command::Detach { queue, number });
    }

    /// Takes a consumer out; whether its queue goes with its last consumer.
    fn end_consumer(&mut self, cx: &mut Context<'_>, number: u32) -> bool {
        let Some(mut consumer) = self.forget_consumer(cx.shared, number) else { return false };
        let auto_delete = consumer.auto_delete;
        self.send_settled(cx, number, &mut consumer);
        self.give_back_waiting(cx.shared, number, consumer);
        auto_delete
    }

    pub(crate) fn forget_consumer(&mut self, shared: &Shared, number: u32) -> Option<Consumer> {
        let consumer = self.consumers.remove(number)?;
        shared.broker.registry().unwatch(consumer.queue, self.key(number));
        metrics::consumer_removed();
        if consumer.is_active {
            shared.tell_consumer_deleted(self.number, &consumer);
        }
        Some(consumer)
    }
}

fn check_arguments(arguments: &FieldTable, name: &ShortStr, vhost: &ShortStr) -> Result<(), Failure> {
    let Some(priority) = arguments.get("x-priority") else { return Ok(()) };
    match priority.as_i64() {
        Some(_) => Ok(()),
        None => Err(Failure::precondition(format!(
            "invalid arg 'x-priority' for {}: \"expected integer, got {}\"",
            failure::queue(name, vhost),
            priority.type_name()
        ))),
    }
}
