//! The methods that clients call, each to its handler.

use amqp_codec::methods::Method;

use super::{
    channel::{Caller, Channel},
    shared::Context,
};
use crate::failure::Failure;

impl Channel {
    /// Acts on a method.
    pub(crate) fn method(&mut self, cx: &mut Context<'_>, caller: Caller, method: Method) -> Result<(), Failure> {
        match method {
            Method::ExchangeDeclare(declare) => self.exchange_declare(cx, caller, declare),
            Method::ExchangeDelete(delete) => self.exchange_delete(cx, caller, &delete),
            Method::ExchangeBind(bind) => self.exchange_bind(cx, caller, bind),
            Method::ExchangeUnbind(unbind) => self.exchange_unbind(cx, caller, unbind),
            Method::QueueDeclare(declare) => self.queue_declare(cx, caller, declare),
            Method::QueueBind(bind) => self.queue_bind(cx, caller, bind),
            Method::QueueUnbind(unbind) => self.queue_unbind(cx, caller, unbind),
            Method::QueuePurge(purge) => self.queue_purge(cx, caller, &purge),
            Method::QueueDelete(delete) => self.queue_delete(cx, caller, &delete),
            Method::BasicQos(qos) => self.qos(cx, &qos),
            Method::BasicConsume(consume) => self.consume(cx, caller, consume),
            Method::BasicCancel(cancel) => self.cancel(cx, caller, cancel),
            Method::BasicGet(get) => self.get(cx, caller, &get),
            Method::TxCommit(_) => self.commit(cx, caller),
            Method::TxRollback(_) => {
                self.roll_back(cx);
                Ok(())
            }
            other => Err(Failure::not_implemented(format!("method {} is not supported", other.name()))),
        }
    }
}
