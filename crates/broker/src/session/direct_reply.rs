//! Direct reply-to: a channel's own queue for replies, in this node's memory, without a name in metadata. It goes with its consumer.

use amqp_codec::methods::basic;
use queue::{Command, ConsumerOptions, QueueConfig};
use types::{GroupId, ShortStr};

use super::{
    channel::{Caller, Channel},
    consumer::CreditWindow,
    operation::{Declaring, Place, Step},
    shared::Context,
};
use crate::{
    failure::{self, Failure},
    reply_to,
};

impl Channel {
    /// Begins a consumer of replies.
    pub(crate) fn consume_replies(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        consume: &basic::Consume,
    ) -> Result<(), Failure> {
        if !consume.no_ack {
            return Err(Failure::precondition("reply consumer cannot acknowledge"));
        }
        if self.reply_name.is_some() {
            return Err(Failure::precondition("reply consumer already set"));
        }
        let node = cx.shared.broker.config().node;
        let place = Place { queue: reply_to::new_queue(), group: GroupId::local(node) };
        let config = QueueConfig { auto_delete: true, ..QueueConfig::default() };
        self.chunk(cx.shared, place.group).push(Command::CreateQueue { queue: place.queue, config });
        self.reply_name = Some(reply_to::name(node, place.queue));
        let credit = CreditWindow::new();
        let options = ConsumerOptions { no_ack: true, initial_credit: credit.granted(), ..ConsumerOptions::default() };
        let number = self.add_consumer(cx.shared, consume, place, Some(credit));
        let name = consume.queue.compact();
        self.begin(cx, caller, Step::Attach { number, place, name, options, consume: Box::new(consume.clone()) });
        Ok(())
    }

    /// Declares the name of such a queue, which only asks whether it is there, passive or not.
    pub(crate) fn declare_replies(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        name: ShortStr,
        no_wait: bool,
    ) -> Result<(), Failure> {
        let declaring = Declaring { name, no_wait, command: None, is_new: false };
        if declaring.name == reply_to::QUEUE {
            self.last_queue = declaring.name.clone();
            self.answer_declare(cx, caller, &declaring, 0, 1);
            return Ok(());
        }
        let target = reply_to::target(declaring.name.as_bytes()).flatten();
        let is_up = |group: GroupId| group.local_node().is_some_and(|node| cx.shared.broker.groups().is_node_up(node));
        match target.filter(|(_, group)| is_up(*group)) {
            Some((queue, group)) => {
                self.last_queue = declaring.name.clone();
                self.begin(cx, caller, Step::Inspect(declaring, Place { queue, group }));
                Ok(())
            }
            None => Err(Failure::not_found(failure::queue(&declaring.name, &cx.shared.vhost))),
        }
    }
}
