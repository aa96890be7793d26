//! What a node does not know is looked for again.
//!
//! A node that was cut off, and is there again, may not have heard yet of what others have declared meanwhile; one that still is cut off
//! does not hear of it at all. Before a client is told that something is not there, and loses its channel, or its message is dropped since
//! no queue takes it, the node makes sure that it knows of everything (the [barrier]), and tries again. Without a
//! majority the client is told that instead.

use amqp_codec::{ReplyCode, methods::Method};
use amqp_connection::Publish;
use types::SeqRange;

use super::{
    channel::{Caller, Channel, EVENT_BYTES},
    operation::Step,
    shared::Context,
};
use crate::{barrier, failure::Failure, reply_to};

/// What is tried again.
#[derive(Debug)]
pub(crate) enum Missing {
    /// A method that named what is not there.
    Method(Method),
    /// A message to an exchange that is not there, or that no queue takes.
    Publish(Publish),
}

impl From<Method> for Missing {
    fn from(method: Method) -> Self {
        Missing::Method(method)
    }
}

impl From<Publish> for Missing {
    fn from(publish: Publish) -> Self {
        Missing::Publish(publish)
    }
}

impl Missing {
    /// What it weighs while it waits.
    fn bytes(&self) -> usize {
        match self {
            Missing::Method(_) => EVENT_BYTES,
            Missing::Publish(publish) => publish_bytes(publish),
        }
    }
}

/// What a message weighs while it waits. Unit: bytes.
pub(crate) fn publish_bytes(publish: &Publish) -> usize {
    EVENT_BYTES + publish.properties.len() + publish.body.len()
}

/// Whether a method may fail, or come to nothing, because metadata does not have something.
pub(crate) fn may_miss(method: &Method) -> bool {
    let queue = match method {
        Method::QueueDeclare(declare) if declare.passive => &declare.queue,
        Method::ExchangeDeclare(declare) => return declare.passive,
        Method::ExchangeBind(_) | Method::ExchangeDelete(_) => return true,
        Method::QueueBind(bind) => &bind.queue,
        Method::QueueDelete(delete) => &delete.queue,
        Method::QueuePurge(purge) => &purge.queue,
        Method::BasicConsume(consume) => &consume.queue,
        Method::BasicGet(get) => &get.queue,
        _ => return false,
    };
    !reply_to::is_reserved(queue.as_bytes())
}

/// Whether a failure is about something that is not there, as far as this node knows.
pub(crate) fn is_worth_it(failure: &Failure) -> bool {
    failure.code == ReplyCode::NotFound && *failure != Failure::no_previous_queue()
}

/// Whether somebody is told what becomes of a message, so that it matters whether a queue that this node has not heard of takes it.
fn is_told(publish: &Publish) -> bool {
    let is_reply = publish.exchange.is_empty() && reply_to::is_reserved(publish.routing_key.as_bytes());
    (publish.mandatory || publish.confirm_seq.is_some()) && !publish.transactional && !is_reply
}

impl Channel {
    /// Whether it has to be made sure that no queue takes a message, before that is said.
    pub(crate) fn is_in_doubt(&self, cx: &Context<'_>, publish: &Publish) -> bool {
        !self.has_looked_again && is_told(publish) && !cx.shared.broker.barrier().is_fresh()
    }

    /// Makes sure that this node knows what there is, then tries again.
    pub(crate) fn look_again(&mut self, cx: &mut Context<'_>, caller: Caller, missing: Missing) {
        self.wait_with(cx.shared, missing.bytes());
        self.operations.set(caller, Step::LookAgain(Box::new(missing)));
        barrier::wait(&cx.shared.broker, &cx.shared.mailbox, self.address(), caller.operation);
    }

    /// This node knows what there is.
    pub(crate) fn try_again(&mut self, cx: &mut Context<'_>, caller: Caller, missing: Missing) -> Result<(), Failure> {
        self.waits_no_more(cx.shared, missing.bytes());
        self.has_looked_again = true;
        let result = match missing {
            Missing::Method(method) => self.method(cx, caller, method),
            Missing::Publish(publish) => self.publish(cx, &publish),
        };
        self.has_looked_again = false;
        result
    }

    /// Nobody can say what there is. A message that is to be confirmed is refused, and the channel goes on.
    pub(crate) fn cannot_look(
        &mut self,
        cx: &mut Context<'_>,
        missing: &Missing,
        failure: Failure,
    ) -> Result<(), Failure> {
        self.waits_no_more(cx.shared, missing.bytes());
        match missing {
            Missing::Publish(Publish { confirm_seq: Some(number), .. }) => {
                if self.is_open {
                    cx.conn.confirm(self.number, SeqRange::one(*number), false);
                }
                Ok(())
            }
            _ => Err(failure),
        }
    }
}
