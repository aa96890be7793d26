//! `exchange.declare` and `exchange.delete`: changes of metadata alone.

use amqp_codec::methods::exchange as methods;
use auth::{Access, Kind};
use metadata::{Command, DeclareExchange, DeleteExchange, ExchangeKind, Refusal, Resource};
use types::{FieldTable, FieldValue, ShortStr};

use super::{
    ahead::{Plan, There},
    channel::{Caller, Channel},
    operation::{Step, refused},
    shared::Context,
};
use crate::{failure::Failure, names};

impl Channel {
    /// Declares an exchange.
    pub(crate) fn exchange_declare(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declare: methods::Declare,
    ) -> Result<(), Failure> {
        if declare.passive {
            check_passively(cx, &names::stripped(&declare.exchange))?;
            self.answer(cx, declare.no_wait, methods::DeclareOk);
            return Ok(());
        }
        let plan = plan_declare(cx, declare)?;
        self.carry_out(cx, caller, plan)
    }

    /// Deletes an exchange. One that is not there counts as deleted.
    pub(crate) fn exchange_delete(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        delete: &methods::Delete,
    ) -> Result<(), Failure> {
        let name = names::stripped(&delete.exchange);
        refuse_default(&name)?;
        if names::is_reserved(&name) {
            return Err(refused(&Refusal::SystemExchange(Resource::exchange(&cx.shared.vhost, &name))));
        }
        cx.shared.check(Access::Configure, Kind::Exchange, &name)?;
        let vhost = cx.shared.vhost.clone();
        let is_there = cx.shared.broker.metadata().read().exchange(vhost.as_bytes(), name.as_bytes()).is_some();
        if !is_there && !self.has_looked_again {
            return Err(refused(&Refusal::NotFound(Resource::exchange(&vhost, &name))));
        }
        if !is_there {
            self.answer(cx, delete.no_wait, methods::DeleteOk);
            return Ok(());
        }
        let command = Command::DeleteExchange(DeleteExchange { vhost, name, if_unused: delete.if_unused });
        let answer = (!delete.no_wait).then(|| methods::DeleteOk.into());
        self.propose(cx, caller, command, Step::Change { answer });
        Ok(())
    }
}

/// What comes of declaring an exchange.
pub(crate) fn plan_declare(cx: &mut Context<'_>, declare: methods::Declare) -> Result<Plan, Failure> {
    let name = names::stripped(&declare.exchange);
    if ExchangeKind::parse(declare.type_.as_bytes()).is_none() {
        return Err(refused(&Refusal::UnknownExchangeType(declare.type_)));
    }
    refuse_default(&name)?;
    cx.shared.check(Access::Configure, Kind::Exchange, &name)?;
    let command = Command::DeclareExchange(DeclareExchange {
        vhost: cx.shared.vhost.clone(),
        name: name.clone(),
        kind: declare.type_.compact(),
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: declare.arguments.clone(),
        history: None,
    });
    let there = look_up(cx, &command)?;
    if there != There::Same(()) {
        check_alternate_rights(cx, &name, &declare.arguments)?;
    }
    let answer = (!declare.no_wait).then(|| methods::DeclareOk.into());
    Ok(Plan::Change { command: Box::new(command), answer, there })
}

/// What is there of what a client declares.
fn look_up(cx: &Context<'_>, command: &Command) -> Result<There<()>, Failure> {
    let machine = cx.shared.broker.metadata().read();
    match machine.refusal_now(command) {
        // A node that is cut off may not know yet that what differs is gone: a majority decides.
        Some(Refusal::Inequivalent(_)) => Ok(There::Differs),
        Some(refusal) => Err(refused(&refusal)),
        None if machine.answer_if_unchanged(command).is_some() => Ok(There::Same(())),
        None => Ok(There::Nothing),
    }
}

/// The default exchange is not for declaring, deleting and binding.
pub(crate) fn refuse_default(name: &ShortStr) -> Result<(), Failure> {
    if name.is_empty() { Err(refused(&Refusal::DefaultExchange)) } else { Ok(()) }
}

fn check_passively(cx: &mut Context<'_>, name: &ShortStr) -> Result<(), Failure> {
    refuse_default(name)?;
    cx.shared.check_any(Kind::Exchange, name)?;
    let vhost = &cx.shared.vhost;
    let machine = cx.shared.broker.metadata().read();
    match machine.exchange(vhost.as_bytes(), name.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(refused(&Refusal::NotFound(Resource::exchange(vhost, name)))),
    }
}

/// Who declares an exchange with an alternate must be able to move messages there by hand.
fn check_alternate_rights(cx: &mut Context<'_>, name: &ShortStr, arguments: &FieldTable) -> Result<(), Failure> {
    let Some(FieldValue::LongStr(alternate)) = arguments.get("alternate-exchange") else { return Ok(()) };
    let Ok(alternate) = ShortStr::from_bytes(alternate.clone()) else { return Ok(()) };
    cx.shared.check(Access::Read, Kind::Exchange, name)?;
    cx.shared.check(Access::Write, Kind::Exchange, &alternate)
}
