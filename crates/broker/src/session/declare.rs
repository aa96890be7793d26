//! `queue.declare`: a queue comes into metadata, then into the machine of its group; one that is there must be equivalent, and
//! is asked for its depth.

use amqp_codec::methods::queue as methods;
use auth::{Access, Kind};
use metadata::{DeclareQueue, Refusal, Reply as MetadataReply};
use queue::{Command, Reply};
use replication::queue_config;
use types::{FieldTable, FieldValue, GroupId, ShortStr};

use super::{
    ahead::{Plan, There},
    channel::{Caller, Channel},
    operation::{Declaring, Place, Step, refused, unexpected},
    shared::Context,
};
use crate::{
    failure::{self, Failure},
    names, placement, reply_to,
};

impl Channel {
    /// Declares a queue.
    pub(crate) fn queue_declare(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declare: methods::Declare,
    ) -> Result<(), Failure> {
        if reply_to::is_reserved(declare.queue.as_bytes()) {
            return self.declare_replies(cx, caller, names::stripped(&declare.queue), declare.no_wait);
        }
        let plan = if declare.passive {
            plan_passively(cx, names::stripped(&declare.queue), declare.no_wait)?
        } else {
            plan_declare(cx, declare)?
        };
        self.carry_out(cx, caller, plan)
    }

    /// The queue is to come into metadata.
    pub(crate) fn declare_again(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declaring: Declaring,
    ) -> Result<(), Failure> {
        let Some(command) = declaring.command.as_deref() else {
            // It must be there, and the one that was there is gone: there may be another by now.
            let plan = plan_passively(cx, declaring.name, declaring.no_wait)?;
            return self.carry_out(cx, caller, plan);
        };
        let command = metadata::Command::DeclareQueue(command.clone());
        self.propose(cx, caller, command, Step::Declare(declaring));
        Ok(())
    }

    /// The queue is in metadata.
    pub(crate) fn declared(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        mut declaring: Declaring,
        reply: &MetadataReply,
    ) -> Result<(), Failure> {
        let MetadataReply::Queue { queue, group, created } = *reply else {
            return Err(Failure::internal("metadata gave an answer that does not fit the question"));
        };
        let place = Place { queue, group };
        if created {
            declaring.is_new = true;
            self.create(cx, caller, declaring, place);
        } else {
            self.inspect(cx, caller, declaring, place);
        }
        Ok(())
    }

    /// The queue's machine is to have it, with the settings that are in force.
    pub(crate) fn create(&mut self, cx: &mut Context<'_>, caller: Caller, declaring: Declaring, place: Place) {
        let config = {
            let machine = cx.shared.broker.metadata().read();
            machine.queue_by_id(place.queue).map(|queue| queue_config(&machine, queue.id))
        };
        match config {
            Some(config) => {
                let command = Command::CreateQueue { queue: place.queue, config };
                self.ask(cx, caller, place.group, command, Step::Create(declaring, place));
            }
            None => self.is_gone(cx, caller, declaring, place),
        }
    }

    /// The queue was deleted, or has ended, before its machine was told of it. What was there before this declaration is replaced;
    /// what it made itself was there: somebody else's queue of that name is none of its business.
    fn is_gone(&mut self, cx: &mut Context<'_>, caller: Caller, declaring: Declaring, place: Place) {
        if declaring.is_new {
            self.answer_declare(cx, caller, &declaring, 0, 0);
        } else {
            self.replace(cx, caller, declaring, place);
        }
    }

    /// The queue's machine has it, or had it before and has ended it: then it goes out of metadata, to be declared anew.
    pub(crate) fn created(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declaring: Declaring,
        place: Place,
        reply: &Reply,
    ) -> Result<(), Failure> {
        match reply {
            Reply::Done => {
                self.answer_declare(cx, caller, &declaring, 0, 0);
                Ok(())
            }
            Reply::Refused(queue::Refusal::NoSuchQueue) => {
                self.is_gone(cx, caller, declaring, place);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }

    fn replace(&mut self, cx: &mut Context<'_>, caller: Caller, declaring: Declaring, place: Place) {
        // They may have bound it as it was.
        self.operations.void_after(caller.operation);
        let command = metadata::Command::DeleteQueue { queue: place.queue };
        self.propose(cx, caller, command, Step::Replace(declaring));
    }

    /// The queue is there: its machine is asked for its depth, and begins its time to expire anew.
    pub(crate) fn inspect(&mut self, cx: &mut Context<'_>, caller: Caller, declaring: Declaring, place: Place) {
        self.chunk(cx.shared, place.group).push(Command::Touch { queue: place.queue });
        self.begin(cx, caller, Step::Inspect(declaring, place));
    }

    /// The queue's machine has told its depth. A queue that metadata has and its machine has not (its declarer died between
    /// the two) is made now.
    pub(crate) fn inspected(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declaring: Declaring,
        place: Place,
        reply: &Reply,
    ) -> Result<(), Failure> {
        let is_reply_queue = reply_to::is_reply_queue(place.queue);
        match reply {
            Reply::Depth { .. } if is_reply_queue => {
                self.answer_declare(cx, caller, &declaring, 0, 1);
                Ok(())
            }
            Reply::Refused(queue::Refusal::NoSuchQueue) if is_reply_queue => {
                Err(Failure::not_found(failure::queue(&declaring.name, &cx.shared.vhost)))
            }
            Reply::Depth { messages, consumers } => {
                self.answer_declare(cx, caller, &declaring, *messages, *consumers);
                Ok(())
            }
            Reply::Refused(queue::Refusal::NoSuchQueue) => {
                self.create(cx, caller, declaring, place);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }

    /// The client gets `queue.declare-ok`.
    pub(crate) fn answer_declare(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        declaring: &Declaring,
        messages: u64,
        consumers: u32,
    ) {
        let answer = methods::DeclareOk {
            queue: declaring.name.clone(),
            message_count: u32::try_from(messages).unwrap_or(u32::MAX),
            consumer_count: consumers,
        };
        self.finish(cx, caller, (!declaring.no_wait).then(|| answer.into()));
    }
}

/// What comes of declaring a queue.
pub(crate) fn plan_declare(cx: &mut Context<'_>, declare: methods::Declare) -> Result<Plan, Failure> {
    let name = names::stripped(&declare.queue);
    let server_named = name.is_empty();
    let name = if server_named { names::generate("amq.gen") } else { name };
    cx.shared.check(Access::Configure, Kind::Queue, &name)?;
    let mut command = DeclareQueue {
        vhost: cx.shared.vhost.clone(),
        name: name.clone(),
        server_named,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        exclusive: declare.exclusive,
        default_type: cx.shared.broker.config().default_queue_type,
        arguments: declare.arguments,
        connection: cx.shared.id,
        home: cx.shared.broker.config().home(),
        group: GroupId::local(cx.shared.broker.config().node),
    };
    let there = look_up(cx, &mut command)?;
    if !matches!(there, There::Same(_)) {
        check_dead_letter_rights(cx, &command.name, &command.arguments)?;
    }
    let declaring = Declaring { name, no_wait: declare.no_wait, command: Some(Box::new(command)), is_new: false };
    Ok(Plan::Declare { declaring, there })
}

fn plan_passively(cx: &mut Context<'_>, name: ShortStr, no_wait: bool) -> Result<Plan, Failure> {
    // As in RabbitMQ an empty name stands for the queue declared last only where queues are used.
    cx.shared.check_any(Kind::Queue, &name)?;
    let place = {
        let machine = cx.shared.broker.metadata().read();
        let queue = machine.queue_for(&cx.shared.vhost, &name, cx.shared.id).map_err(|why| refused(&why))?;
        Place { queue: queue.id, group: queue.group }
    };
    Ok(Plan::Declare {
        declaring: Declaring { name, no_wait, command: None, is_new: false },
        there: There::Same(place),
    })
}

/// What is there of a queue that is declared. Unless it is that very queue, the command gets the group where it is to live.
fn look_up(cx: &Context<'_>, command: &mut DeclareQueue) -> Result<There<Place>, Failure> {
    let groups = cx.shared.broker.groups();
    let machine = cx.shared.broker.metadata().read();
    if command.durable && !command.exclusive {
        // Without shards yet, the local group stands: the metadata machine decides whether that can be.
        if let Some(group) = placement::choose(groups, &machine, &command.arguments) {
            command.group = group;
        }
    }
    let proposed = metadata::Command::DeclareQueue(command.clone());
    match machine.refusal_now(&proposed) {
        // A node that is cut off may not know yet that what differs is gone: a majority decides.
        Some(Refusal::Inequivalent(_)) => return Ok(There::Differs),
        Some(refusal) => return Err(refused(&refusal)),
        None => {}
    }
    Ok(match machine.answer_if_unchanged(&proposed) {
        Some(MetadataReply::Queue { queue, group, .. }) => There::Same(Place { queue, group }),
        _ => There::Nothing,
    })
}

/// Who declares a queue that dead-letters into an exchange must be able to do so by hand.
fn check_dead_letter_rights(cx: &mut Context<'_>, name: &ShortStr, arguments: &FieldTable) -> Result<(), Failure> {
    let Some(FieldValue::LongStr(exchange)) = arguments.get("x-dead-letter-exchange") else { return Ok(()) };
    let Ok(exchange) = ShortStr::from_bytes(exchange.clone()) else { return Ok(()) };
    cx.shared.check(Access::Read, Kind::Queue, name)?;
    cx.shared.check(Access::Write, Kind::Exchange, &exchange)
}
