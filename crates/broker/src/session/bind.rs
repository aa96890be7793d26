//! `queue.bind`, `queue.unbind`, `exchange.bind`, `exchange.unbind`: changes of metadata alone.

use amqp_codec::methods::{Method, exchange, queue};
use auth::{Access, Kind};
use metadata::{Bind, Command, Refusal, Resource, Target as Destination, Unbind};
use routing::ExchangeKind;
use types::{FieldTable, ShortStr};

use super::{
    ahead::{Plan, There},
    channel::{Caller, Channel},
    exchange::refuse_default,
    operation::refused,
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
        let plan = self.plan_queue_bind(cx, bind)?;
        self.carry_out(cx, caller, plan)
    }

    /// Removes a queue's binding.
    pub(crate) fn queue_unbind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        unbind: queue::Unbind,
    ) -> Result<(), Failure> {
        let plan = self.plan_queue_unbind(cx, unbind)?;
        self.carry_out(cx, caller, plan)
    }

    /// Binds an exchange to another.
    pub(crate) fn exchange_bind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        bind: exchange::Bind,
    ) -> Result<(), Failure> {
        let plan = self.plan_exchange_bind(cx, bind)?;
        self.carry_out(cx, caller, plan)
    }

    /// Removes a binding between exchanges.
    pub(crate) fn exchange_unbind(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        unbind: exchange::Unbind,
    ) -> Result<(), Failure> {
        let plan = self.plan_exchange_unbind(cx, unbind)?;
        self.carry_out(cx, caller, plan)
    }

    /// What comes of binding a queue.
    pub(crate) fn plan_queue_bind(&self, cx: &mut Context<'_>, bind: queue::Bind) -> Result<Plan, Failure> {
        let asked = Asked {
            destination: Destination::Queue(names::stripped(&self.named_or_last(&bind.queue)?)),
            routing_key: self.key_or_last(&bind.queue, &bind.routing_key)?,
            source: names::stripped(&bind.exchange),
            arguments: bind.arguments,
            answer: (!bind.no_wait).then(|| queue::BindOk.into()),
        };
        self.plan_bind(cx, asked)
    }

    /// What comes of removing a queue's binding.
    pub(crate) fn plan_queue_unbind(&self, cx: &mut Context<'_>, unbind: queue::Unbind) -> Result<Plan, Failure> {
        let asked = Asked {
            destination: Destination::Queue(names::stripped(&self.named_or_last(&unbind.queue)?)),
            routing_key: self.key_or_last(&unbind.queue, &unbind.routing_key)?,
            source: names::stripped(&unbind.exchange),
            arguments: unbind.arguments,
            answer: Some(queue::UnbindOk.into()),
        };
        plan_unbind(cx, asked)
    }

    /// What comes of binding an exchange.
    pub(crate) fn plan_exchange_bind(&self, cx: &mut Context<'_>, bind: exchange::Bind) -> Result<Plan, Failure> {
        let asked = Asked {
            destination: Destination::Exchange(names::stripped(&bind.destination)),
            routing_key: bind.routing_key.compact(),
            source: names::stripped(&bind.source),
            arguments: bind.arguments,
            answer: (!bind.no_wait).then(|| exchange::BindOk.into()),
        };
        self.plan_bind(cx, asked)
    }

    /// What comes of removing a binding between exchanges.
    pub(crate) fn plan_exchange_unbind(&self, cx: &mut Context<'_>, unbind: exchange::Unbind) -> Result<Plan, Failure> {
        let asked = Asked {
            destination: Destination::Exchange(names::stripped(&unbind.destination)),
            routing_key: unbind.routing_key.compact(),
            source: names::stripped(&unbind.source),
            arguments: unbind.arguments,
            answer: (!unbind.no_wait).then(|| exchange::UnbindOk.into()),
        };
        plan_unbind(cx, asked)
    }

    fn plan_bind(&self, cx: &mut Context<'_>, asked: Asked) -> Result<Plan, Failure> {
        check_rights(cx, &asked)?;
        // A queue that is being declared will be there.
        let awaited = match &asked.destination {
            Destination::Queue(name) if self.operations.declares_queue(name) => Some(name.clone()),
            Destination::Queue(_) | Destination::Exchange(_) => None,
        };
        let command = Command::Bind(Bind {
            vhost: cx.shared.vhost.clone(),
            source: asked.source,
            destination: asked.destination,
            routing_key: asked.routing_key,
            arguments: asked.arguments,
            connection: cx.shared.id,
        });
        let machine = cx.shared.broker.metadata().read();
        let is_awaited =
            |what: &Resource| awaited.is_some_and(|name| *what == Resource::queue(&cx.shared.vhost, &name));
        let there = match machine.refusal_now(&command) {
            Some(Refusal::NotFound(what)) if is_awaited(&what) => There::Nothing,
            Some(refusal) => return Err(refused(&refusal)),
            None if machine.answer_if_unchanged(&command).is_some() => There::Same(()),
            None => There::Nothing,
        };
        Ok(Plan::Change { command: Box::new(command), answer: asked.answer, there })
    }

    /// With neither queue nor key, the name of the queue declared last is the key too.
    fn key_or_last(&self, queue: &ShortStr, key: &ShortStr) -> Result<ShortStr, Failure> {
        if queue.is_empty() && key.is_empty() { self.named_or_last(queue) } else { Ok(key.compact()) }
    }
}

fn plan_unbind(cx: &mut Context<'_>, asked: Asked) -> Result<Plan, Failure> {
    check_rights(cx, &asked)?;
    let command = Command::Unbind(Unbind {
        vhost: cx.shared.vhost.clone(),
        source: asked.source,
        destination: asked.destination,
        routing_key: asked.routing_key,
        arguments: asked.arguments,
        connection: cx.shared.id,
    });
    if let Some(refusal) = cx.shared.broker.metadata().read().refusal_now(&command) {
        return Err(refused(&refusal));
    }
    Ok(Plan::Change { command: Box::new(command), answer: asked.answer, there: There::Nothing })
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
