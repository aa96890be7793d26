//! What a node does not know is looked for again.
//!
//! A node that was cut off, and is there again, may not have heard yet of what others have declared meanwhile; one that still is cut off
//! does not hear of it at all. Before a client is told that something is not there, and loses its channel, the node has a command
//! committed that changes nothing: once it has applied that, it knows of everything that was answered before the client asked. Without a
//! majority the client is told that instead.

use amqp_codec::{ReplyCode, methods::Method};
use amqp_connection::Publish;
use metadata::Command;
use types::QueueId;

use super::{
    channel::{Caller, Channel},
    operation::Step,
    shared::Context,
};
use crate::failure::Failure;

/// No queue has this number, so that deleting it changes nothing.
const NO_QUEUE: QueueId = QueueId(0);

/// What is tried again.
#[derive(Debug)]
pub(crate) enum Missing {
    /// A method that named what is not there.
    Method(Method),
    /// A message to an exchange that is not there.
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

/// Whether a method may fail, or come to nothing, because something is not there.
pub(crate) fn may_miss(method: &Method) -> bool {
    match method {
        Method::QueueDeclare(declare) => declare.passive,
        Method::ExchangeDeclare(declare) => declare.passive,
        Method::ExchangeBind(_)
        | Method::ExchangeDelete(_)
        | Method::QueueBind(_)
        | Method::QueueDelete(_)
        | Method::QueuePurge(_)
        | Method::BasicConsume(_)
        | Method::BasicGet(_) => true,
        _ => false,
    }
}

/// Whether a failure is about something that is not there.
pub(crate) fn is_worth_it(failure: &Failure) -> bool {
    failure.code == ReplyCode::NotFound
}

impl Channel {
    /// Makes sure that this node knows what there is, then tries again.
    pub(crate) fn look_again(&mut self, cx: &mut Context<'_>, caller: Caller, missing: Missing) {
        let step = Step::LookAgain(Box::new(missing));
        self.propose(cx, caller, Command::DeleteQueue { queue: NO_QUEUE }, step);
    }

    /// This node knows what there is.
    pub(crate) fn try_again(&mut self, cx: &mut Context<'_>, caller: Caller, missing: Missing) -> Result<(), Failure> {
        self.has_looked_again = true;
        let result = match missing {
            Missing::Method(method) => self.method(cx, caller, method),
            Missing::Publish(publish) => self.publish(cx, &publish),
        };
        self.has_looked_again = false;
        result
    }
}
