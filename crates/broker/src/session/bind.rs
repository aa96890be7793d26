//! `queue.bind`, `queue.unbind`, `exchange.bind`, `exchange.unbind`: changes of metadata alone.

use amqp_codec::methods::{Method, exchange, queue};
use auth::{Access, Kind};
use metadata::{Bind, Command, Target as Destination, Unbind};
use routing::ExchangeKind;
use types::{FieldTable, ShortStr};

use super::{
    channel::{Caller, Channel},
    exchange::{is_unchanged, refuse_default},
    operation::Step,
    shared::Context,
};
use crate::{failure::Failure, names, reply_to};

/// What a client asks to be bound or unbound.
struct Asked {
    source: ShortStr,
    destination: Destination,
    routing_key: ShortStr,
    arguments: FieldTable,
    /// `None`: it said no-wait.
    answer: Option<Method>,
}

impl Channel {
    /// Binds a queue.
    pub(crate) fn queue_bind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        bind: queue::Bind,
    ) -> Result<(), Failure> {
        let asked = Asked {
            destination: Destination::Queue(names::stripped(&self.named_or_last(&bind.queue)?)),
            routing_key: self.key_or_last(&bind.queue, &bind.routing_key)?,
            source: names::stripped(&bind.exchange),
            arguments: bind.arguments,
            answer: (!bind.no_wait).then(|| queue::BindOk.into()),
        };
        self.bind(cx, caller, asked)
    }

    /// Removes a queue's binding.
    pub(crate) fn queue_unbind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        unbind: queue::Unbind,
    ) -> Result<(), Failure> {
        let asked = Asked {
            destination: Destination::Queue(names::stripped(&self.named_or_last(&unbind.queue)?)),
            routing_key: self.key_or_last(&unbind.queue, &unbind.routing_key)?,
            source: names::stripped(&unbind.exchange),
            arguments: unbind.arguments,
            answer: Some(queue::UnbindOk.into()),
        };
        self.unbind(cx, caller, asked)
    }

    /// Binds an exchange to another.
    pub(crate) fn exchange_bind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        bind: exchange::Bind,
    ) -> Result<(), Failure> {
        let asked = Asked {
            destination: Destination::Exchange(names::stripped(&bind.destination)),
            routing_key: bind.routing_key.compact(),
            source: names::stripped(&bind.source),
            arguments: bind.arguments,
            answer: (!bind.no_wait).then(|| exchange::BindOk.into()),
        };
        self.bind(cx, caller, asked)
    }

    /// Removes a binding between exchanges.
    pub(crate) fn exchange_unbind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        unbind: exchange::Unbind,
    ) -> Result<(), Failure> {
        let asked = Asked {
            destination: Destination::Exchange(names::stripped(&unbind.destination)),
            routing_key: unbind.routing_key.compact(),
            source: names::stripped(&unbind.source),
            arguments: unbind.arguments,
            answer: (!unbind.no_wait).then(|| exchange::UnbindOk.into()),
        };
        self.unbind(cx, caller, asked)
    }

    fn bind(&mut self, cx: &mut Context<'_>, caller: Caller, asked: Asked) -> Result<(), Failure> {
        check_rights(cx, &asked)?;
        let command = Command::Bind(Bind {
            vhost: cx.shared.vhost.clone(),
            source: asked.source,
            destination: asked.destination,
            routing_key: asked.routing_key,
            arguments: asked.arguments,
            connection: cx.shared.id,
        });
        if is_unchanged(cx, &command)? {
            if let Some(answer) = asked.answer {
                self.send(cx, answer);
            }
            return Ok(());
        }
        self.propose(cx, caller, command, Step::Change { answer: asked.answer });
        Ok(())
    }

    fn unbind(&mut self, cx: &mut Context<'_>, caller: Caller, asked: Asked) -> Result<(), Failure> {
        check_rights(cx, &asked)?;
        let command = Command::Unbind(Unbind {
            vhost: cx.shared.vhost.clone(),
            source: asked.source,
            destination: asked.destination,
            routing_key: asked.routing_key,
            arguments: asked.arguments,
            connection: cx.shared.id,
        });
        self.propose(cx, caller, command, Step::Change { answer: asked.answer });
        Ok(())
    }

    /// With neither queue nor key, the name of the queue declared last is the key too.
    fn key_or_last(&self, queue: &ShortStr, key: &ShortStr) -> Result<ShortStr, Failure> {
        if queue.is_empty() && key.is_empty() { self.named_or_last(queue) } else { Ok(key.compact()) }
    }
}

fn check_rights(cx: &mut Context<'_>, asked: &Asked) -> Result<(), Failure> {
    match &asked.destination {
        Destination::Queue(name) if reply_to::is_reserved(name.as_bytes()) => {
            let text = "cannot bind or unbind to a volatile (direct reply-to) queue";
            return Err(Failure::access_refused(text));
        }
        Destination::Queue(name) => cx.shared.check(Access::Write, Kind::Queue, name)?,
        Destination::Exchange(name) => {
            cx.shared.check(Access::Write, Kind::Exchange, name)?;
            refuse_default(name)?;
        }
    }
    refuse_default(&asked.source)?;
    cx.shared.check(Access::Read, Kind::Exchange, &asked.source)?;
    let (vhost, source) = (cx.shared.vhost.as_bytes(), asked.source.as_bytes());
    let kind = cx.shared.broker.tables().read().exchange(vhost, source).map(|info| info.kind);
    match kind {
        Some(ExchangeKind::Topic) => cx.shared.check_topic(Access::Read, &asked.source, &asked.routing_key),
        Some(_) | None => Ok(()),
    }
}
