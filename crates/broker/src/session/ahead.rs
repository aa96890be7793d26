//! Declarations that are begun before those in front of them are done.
//!
//! A declaration waits for a majority, twice for a queue. A client that sends many without waiting for each answer would wait for
//! all of them in turn, though they have nothing to do with each other. So a channel begins a declaration or binding while others
//! are under way, if it can tell that the order does not matter and that nothing stands against it. Whatever it cannot tell waits
//! for its turn, and is then looked at again: what a client gets wrong itself is refused when it would have been, and nothing
//! after it is begun.
//!
//! ```text
//! begun ahead -> done -------------------> answered in its turn
//!             -> refused, or in doubt ---> done anew, alone, in its turn -> answered, or the channel ends
//! ```
//! So only another client that gets in between (or a node that dies) can make a declaration fail after a later one was begun: then
//! the channel ends as it must, and the later one may have been done all the same.

use amqp_codec::methods::Method;
use metadata::Command;
use tokio::sync::OwnedSemaphorePermit;
use types::{FieldTable, FieldValue};

use super::{
    channel::{Caller, Channel},
    declare, exchange,
    operation::{Declaring, Place, Step},
    operations::{Declaration, Declared, Turn},
    shared::Context,
};
use crate::{failure::Failure, reply_to};

/// Declarations of all clients of a node that are ahead of their turns. The metadata group does so many in a fraction of a second:
/// a client that has just one to make does not wait longer.
pub(crate) const AHEAD_MAX: usize = 2048;
/// The most that the arguments of one of them may weigh. With [`AHEAD_MAX`] it bounds what they cost. Unit: bytes.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// What is there of what is declared, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There<T> {
    /// Nothing.
    Nothing,
    /// Just that.
    Same(T),
    /// Something else of that name: the declaration will probably be refused.
    Differs,
}

/// What a declaration comes to, as far as this node knows.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// A change of metadata.
    Change {
        /// What is proposed.
        command: Box<Command>,
        /// What the client gets then. `None`: it said no-wait.
        answer: Option<Method>,
        /// Whether it is so already.
        there: There<()>,
    },
    /// A queue is declared.
    Declare {
        /// What.
        declaring: Declaring,
        /// Where it is, if it is there already.
        there: There<Place>,
    },
}

/// What is kept of a declaration that was begun ahead of its turn.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// To do it anew.
    pub(crate) plan: Box<Plan>,
    /// One of [`AHEAD_MAX`].
    _permit: OwnedSemaphorePermit,
}

impl Channel {
    /// Does what was planned.
    pub(crate) fn carry_out(&mut self, cx: &mut Context<'_>, caller: Caller, plan: Plan) -> Result<(), Failure> {
        let (declaration, differs) = (plan.declaration(), plan.differs());
        self.begin_plan(cx, caller, plan)?;
        // What will probably fail is not joined by anything.
        if !differs {
            self.operations.classify(caller.operation, declaration, None);
        }
        Ok(())
    }

    /// Begins a declaration while others are under way. Whether it could: else it has to wait for its turn.
    pub(crate) fn act_ahead(&mut self, cx: &mut Context<'_>, event: &amqp_connection::Event) -> bool {
        let amqp_connection::Event::Method { method, .. } = event else { return false };
        if !is_declaration(method) || !self.operations.may_be_joined() {
            return false;
        }
        let Some(permit) = cx.shared.broker.permit_ahead() else { return false };
        // Why it cannot be is told in its turn, if it still cannot be then.
        let Ok(plan) = self.plan(cx, method.clone()) else { return false };
        let declaration = plan.declaration();
        if !self.operations.is_independent(&declaration)
            || !self.has_room(cx, &declaration)
            || plan.is_large()
            || plan.differs()
            || brings_history(cx, &plan)
        {
            return false;
        }
        let caller = self.caller(method);
        let ahead = Ahead { plan: Box::new(plan.clone()), _permit: permit };
        if self.begin_plan(cx, caller, plan).is_err() {
            return false;
        }
        self.operations.classify(caller.operation, declaration, Some(ahead));
        true
    }

    /// Answers what is done, in order; does anew what has to be; then goes on.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) {
        while let Some(turn) = self.operations.next_turn() {
            match turn {
                Turn::Answer(answer) => {
                    if let Some(answer) = answer {
                        self.send(cx, answer);
                    }
                }
                Turn::Again(caller, plan) => {
                    if let Err(failure) = self.carry_out(cx, caller, *plan) {
                        self.fail(cx, &failure, caller);
                    }
                }
            }
        }
        self.resume(cx);
    }

    /// What the caller asks is done. The client is told in its turn.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>, caller: Caller, answer: Option<Method>) {
        if !self.operations.is_empty() {
            self.operations.set(caller, Step::Done(answer));
        } else if let Some(answer) = answer {
            self.send(cx, answer);
        }
    }

    fn plan(&self, cx: &mut Context<'_>, method: Method) -> Result<Plan, Failure> {
        match method {
            Method::ExchangeDeclare(declare) => exchange::plan_declare(cx, declare),
            Method::ExchangeBind(bind) => self.plan_exchange_bind(cx, bind),
            Method::ExchangeUnbind(unbind) => self.plan_exchange_unbind(cx, unbind),
            Method::QueueDeclare(declare) => declare::plan_declare(cx, declare),
            Method::QueueBind(bind) => self.plan_queue_bind(cx, bind),
            Method::QueueUnbind(unbind) => self.plan_queue_unbind(cx, unbind),
            other => Err(Failure::internal(format!("{} is no declaration", other.name()))),
        }
    }

    fn begin_plan(&mut self, cx: &mut Context<'_>, caller: Caller, plan: Plan) -> Result<(), Failure> {
        match plan {
            Plan::Change { answer, there: There::Same(()), .. } => self.finish(cx, caller, answer),
            Plan::Change { command, answer, .. } => self.propose(cx, caller, *command, Step::Change { answer }),
            Plan::Declare { declaring, there } => {
                self.last_queue = declaring.name.clone();
                match there {
                    There::Same(place) => self.inspect(cx, caller, declaring, place),
                    There::Nothing | There::Differs => self.declare_again(cx, caller, declaring)?,
                }
            }
        }
        Ok(())
    }

    /// Whether the limits on what there may be are far enough away.
    fn has_room(&self, cx: &Context<'_>, declaration: &Declaration) -> bool {
        let machine = cx.shared.broker.metadata().read();
        let (queues, exchanges) = self.operations.declared();
        match declaration.declared {
            Declared::Nothing => true,
            Declared::Queue(_) => machine.queue_room(cx.shared.vhost.as_bytes()) > queues,
            Declared::Exchange(_) => machine.exchange_room() > exchanges,
        }
    }
}

impl Plan {
    /// What was known when it was made may not be so any more.
    pub(crate) fn forget_what_was_known(&mut self) {
        match self {
            Plan::Change { there, .. } => *there = There::Nothing,
            Plan::Declare { there, .. } => *there = There::Nothing,
        }
    }

    /// Whether it will probably be refused.
    fn differs(&self) -> bool {
        match self {
            Plan::Change { there, .. } => *there == There::Differs,
            Plan::Declare { there, .. } => *there == There::Differs,
        }
    }

    fn declaration(&self) -> Declaration {
        let (is_unbind, is_exclusive, declared) = match self {
            Plan::Declare { declaring, .. } => {
                let is_exclusive = declaring.command.as_deref().is_some_and(|command| command.exclusive);
                (false, is_exclusive, Declared::Queue(declaring.name.clone()))
            }
            Plan::Change { command, .. } => match &**command {
                Command::DeclareExchange(declare) => (false, false, Declared::Exchange(declare.name.clone())),
                Command::Unbind(_) => (true, false, Declared::Nothing),
                _ => (false, false, Declared::Nothing),
            },
        };
        Declaration { is_unbind, is_exclusive, declared }
    }

    fn is_large(&self) -> bool {
        let arguments = match self {
            Plan::Declare { declaring, .. } => declaring.command.as_deref().map(|command| &command.arguments),
            Plan::Change { command, .. } => match &**command {
                Command::DeclareExchange(declare) => Some(&declare.arguments),
                Command::Bind(bind) => Some(&bind.arguments),
                Command::Unbind(unbind) => Some(&unbind.arguments),
                _ => None,
            },
        };
        arguments.is_some_and(|arguments| weight(arguments) > ARGUMENT_BYTES_MAX)
    }
}

/// Whether what is bound gets the history of its exchange: done anew, the binding would be there, and the history would not come.
fn brings_history(cx: &Context<'_>, plan: &Plan) -> bool {
    let Plan::Change { command, .. } = plan else { return false };
    let Command::Bind(bind) = &**command else { return false };
    let machine = cx.shared.broker.metadata().read();
    machine.history(bind.vhost.as_bytes(), bind.source.as_bytes()).is_some()
}

/// About what a table occupies; tables and arrays in it are not looked into, but taken for large. Unit: bytes.
fn weight(table: &FieldTable) -> usize {
    let of_value = |value: &FieldValue| match value {
        FieldValue::LongStr(bytes) | FieldValue::Bytes(bytes) => bytes.len(),
        FieldValue::Array(_) | FieldValue::Table(_) => ARGUMENT_BYTES_MAX,
        _ => 0,
    };
    table.0.iter().map(|(name, value)| size_of::<FieldValue>() + name.as_bytes().len() + of_value(value)).sum()
}

/// Whether the method declares something that need not be there yet, or binds or unbinds.
fn is_declaration(method: &Method) -> bool {
    match method {
        Method::QueueDeclare(declare) => !declare.passive && !reply_to::is_reserved(declare.queue.as_bytes()),
        Method::ExchangeDeclare(declare) => !declare.passive,
        Method::ExchangeBind(_) | Method::ExchangeUnbind(_) | Method::QueueBind(_) | Method::QueueUnbind(_) => true,
        _ => false,
    }
}
