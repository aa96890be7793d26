//! What a channel waits for before its next event, step by step.
//!
//! ```text
//! exchange.declare/delete/bind/unbind, queue.bind/unbind:  Change
//! queue.declare:  (Declare | nothing) -> (Create | Inspect) [-> Create] [-> Replace -> Declare -> ...]
//! queue.delete:   Delete -> Unlist
//! basic.consume:  Attach         basic.cancel:  Detach [-> Unlist]
//! basic.get:      Get            queue.purge:   Purge
//! tx.commit:      Commit
//! whatever names what is not there:  LookAgain -> ...
//! ```
//! `LookAgain`, `Change`, `Declare`, `Replace` and `Unlist` wait for metadata, `Commit` for all groups that it concerns, the others for
//! the answer of a queue's group.

use amqp_codec::methods::{Method, basic, queue as queue_methods};
use metadata::{DeclareQueue, QueueType, Refusal as MetadataRefusal};
use queue::{Command, ConsumerOptions, Refusal, Reply};
use replication::Answer;
use types::{GroupId, QueueId, ShortStr};

use super::{
    channel::{Caller, Channel},
    look_again::{self, Missing},
    shared::Context,
};
use crate::{
    completion::Completion,
    failure::{self, Failure},
};

/// One step of an operation.
#[derive(Debug)]
pub(crate) enum Step {
    /// Metadata is changed; then the client gets this answer.
    Change {
        /// `None`: it said no-wait.
        answer: Option<Method>,
    },
    /// A queue comes into metadata.
    Declare(Declaring),
    /// A queue's machine is made to have it.
    Create(Declaring, Place),
    /// A queue's depth is asked for.
    Inspect(Declaring, Place),
    /// A queue that its machine has ended goes out of metadata, and is declared anew.
    Replace(Declaring),
    /// A queue goes.
    Delete(Deleting),
    /// A queue that is gone goes out of metadata; then the client gets this answer.
    Unlist {
        /// `None`: it said no-wait.
        answer: Option<Method>,
        /// The queue's name, when nobody knows whether this was what deleted it.
        in_doubt: Option<ShortStr>,
    },
    /// A consumer comes.
    Attach {
        /// Its number.
        number: u32,
        /// Its queue.
        place: Place,
        /// The queue's name.
        name: ShortStr,
        /// Its wishes.
        options: ConsumerOptions,
        /// What the client said.
        consume: Box<basic::Consume>,
    },
    /// A consumer goes.
    Detach(Detaching),
    /// A message is fetched.
    Get {
        /// From which queue.
        place: Place,
        /// The queue's name.
        name: ShortStr,
        /// Whether it is settled at once.
        no_ack: bool,
    },
    /// What this node does not know of is looked for again.
    LookAgain(Box<Missing>),
    /// A transaction is done.
    Commit,
    /// It is done; the client gets this answer when it is its turn.
    Done(Option<Method>),
    /// A queue is emptied.
    Purge {
        /// Which.
        place: Place,
        /// The queue's name.
        name: ShortStr,
        /// Whether the client wants no answer.
        no_wait: bool,
        /// Whether it was emptied before, with the answer lost.
        is_again: bool,
    },
}

/// A queue and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) queue: QueueId,
    pub(crate) group: GroupId,
}

/// A `queue.declare` on its way.
#[derive(Clone, Debug)]
pub(crate) struct Declaring {
    /// The queue's name.
    pub(crate) name: ShortStr,
    /// Whether the client wants no answer.
    pub(crate) no_wait: bool,
    /// What is declared; `None`: the queue must be there (passive).
    pub(crate) command: Option<Box<DeclareQueue>>,
    /// Whether metadata has the queue by this very declaration.
    pub(crate) is_new: bool,
}

/// A `queue.delete` on its way.
#[derive(Clone, Debug)]
pub(crate) struct Deleting {
    /// The queue.
    pub(crate) place: Place,
    /// Its name.
    pub(crate) name: ShortStr,
    /// Only when it has no consumers.
    pub(crate) if_unused: bool,
    /// Only when it has no messages.
    pub(crate) if_empty: bool,
    /// Whether the client wants no answer.
    pub(crate) no_wait: bool,
    /// Whether it was tried before, with the answer lost.
    pub(crate) is_again: bool,
}

/// A `basic.cancel` on its way.
#[derive(Debug)]
pub(crate) struct Detaching {
    /// The consumer's number.
    pub(crate) number: u32,
    /// Its queue.
    pub(crate) place: Place,
    /// What the client gets then.
    pub(crate) answer: Option<Method>,
}

impl Step {
    /// Whether it is the commit of a transaction.
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self, Step::Commit)
    }

    /// What could not be done, for errors.
    fn description(&self, vhost: &ShortStr) -> String {
        let (verb, name) = match self {
            Step::Attach { name, .. } | Step::Get { name, .. } => ("consuming from", name),
            Step::Purge { name, .. } => ("purging", name),
            Step::Delete(Deleting { name, .. }) => ("deleting", name),
            Step::Declare(Declaring { name, .. })
            | Step::Create(Declaring { name, .. }, _)
            | Step::Inspect(Declaring { name, .. }, _)
            | Step::Replace(Declaring { name, .. }) => ("declaring", name),
            Step::Detach(_) => return "failed cancelling a consumer".to_owned(),
            Step::LookAgain(_) => return "failed looking for what is not there".to_owned(),
            Step::Commit => return "failed committing a transaction".to_owned(),
            Step::Change { .. } | Step::Unlist { .. } | Step::Done(_) => return "failed changing metadata".to_owned(),
        };
        format!("failed {verb} queue '{name}' in vhost '{vhost}'")
    }

    /// The method that is to be tried again when the queue's group does not have it: it may have been deleted and declared anew, of
    /// which this node has not heard yet. What was done, with the answer lost, is not done to another queue of that name as well.
    fn may_miss(&self) -> Option<Method> {
        Some(match self {
            Step::Attach { name, consume, .. } => {
                basic::Consume { queue: name.clone(), ..basic::Consume::clone(consume) }.into()
            }
            Step::Get { name, no_ack, .. } => basic::Get { queue: name.clone(), no_ack: *no_ack }.into(),
            Step::Purge { name, no_wait, is_again: false, .. } => {
                queue_methods::Purge { queue: name.clone(), no_wait: *no_wait }.into()
            }
            Step::Delete(Deleting { name, if_unused, if_empty, no_wait, is_again: false, .. }) => {
                queue_methods::Delete {
                    queue: name.clone(),
                    if_unused: *if_unused,
                    if_empty: *if_empty,
                    no_wait: *no_wait,
                }
                .into()
            }
            _ => return None,
        })
    }

    /// The command that this step waits for, and to whom it goes; `None` for steps that wait for something else, and for
    /// `Create`, whose command metadata has to be asked for.
    fn command(&self) -> Option<(GroupId, Command)> {
        let (place, command) = match self {
            Step::Change { .. }
            | Step::Declare(_)
            | Step::Create(..)
            | Step::Replace(_)
            | Step::LookAgain(_)
            | Step::Commit
            | Step::Done(_)
            | Step::Unlist { .. } => {
                return None;
            }
            Step::Inspect(_, place) => (place, Command::Inspect { queue: place.queue }),
            Step::Delete(Deleting { place, if_unused, if_empty, .. }) => {
                let (if_unused, if_empty) = (*if_unused, *if_empty);
                (place, Command::DeleteQueue { queue: place.queue, if_unused, if_empty })
            }
            Step::Attach { number, place, options, .. } => {
                (place, Command::Attach { queue: place.queue, number: *number, options: *options })
            }
            Step::Detach(Detaching { number, place, .. }) => {
                (place, Command::Detach { queue: place.queue, number: *number })
            }
            Step::Get { place, no_ack, .. } => (place, Command::Get { queue: place.queue, no_ack: *no_ack }),
            Step::Purge { place, .. } => (place, Command::Purge { queue: place.queue }),
        };
        Some((place.group, command))
    }
}

impl Channel {
    /// Begins a step that waits for a group's answer.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>, caller: Caller, step: Step) {
        if let Some((group, command)) = step.command() {
            self.ask(cx, caller, group, command, step);
        }
    }

    /// Begins a step that waits for a change of metadata.
    pub(crate) fn propose(&mut self, cx: &mut Context<'_>, caller: Caller, command: metadata::Command, step: Step) {
        self.operations.set(caller, step);
        let (broker, mailbox) = (&cx.shared.broker, &cx.shared.mailbox);
        crate::completion::propose(broker, mailbox, self.address(), caller.operation, command);
    }

    /// A group has answered what the operation waits for.
    pub(crate) fn answered(&mut self, cx: &mut Context<'_>, operation: u64, answer: Answer) {
        let Some((caller, step)) = self.operations.take(operation) else { return };
        if let Err(failure) = self.continue_with(cx, caller, step, answer) {
            self.operation_failed(cx, caller, &failure);
        }
    }

    /// The group did what the operation waits for, but its answer is lost.
    pub(crate) fn answer_lost(&mut self, cx: &mut Context<'_>, operation: u64) {
        let Some((caller, step)) = self.operations.take(operation) else { return };
        match step {
            Step::Get { place, no_ack, .. } if self.answer_get_again(cx, place, no_ack) => {}
            Step::Create(declaring, place) => self.create(cx, caller, declaring, place),
            Step::Delete(deleting) => self.begin(cx, caller, Step::Delete(Deleting { is_again: true, ..deleting })),
            Step::Purge { place, name, no_wait, .. } => {
                self.begin(cx, caller, Step::Purge { place, name, no_wait, is_again: true });
            }
            // Done a second time these change nothing; of a message that was fetched the first time, see there.
            step => self.begin(cx, caller, step),
        }
    }

    /// The group will not answer.
    pub(crate) fn unanswered(&mut self, cx: &mut Context<'_>, operation: u64) {
        if let Some((caller, step)) = self.operations.take(operation) {
            let failed = step.description(&cx.shared.vhost);
            let text = format!("{failed}: no majority of its replicas answered in time, try again later");
            self.operation_failed(cx, caller, &Failure::internal(text));
        }
    }

    /// A change of metadata is done.
    pub(crate) fn completed(&mut self, cx: &mut Context<'_>, operation: u64, completion: Completion, is_spread: bool) {
        if let Some(doubt) = self.doubts.remove(&operation) {
            return self.resolve(cx, doubt, &completion);
        }
        let Some((caller, step)) = self.operations.take(operation) else { return };
        if !is_spread {
            self.operations.await_spread(operation);
        }
        let result = match completion {
            Ok(metadata::Reply::Refused(refusal)) => Err(refused(&refusal)),
            Ok(reply) => self.changed(cx, caller, step, &reply),
            Err(error) => {
                let failure = Failure::internal(error.to_string());
                if let Step::LookAgain(missing) = step { self.cannot_look(cx, &missing, failure) } else { Err(failure) }
            }
        };
        if let Err(failure) = result {
            self.operation_failed(cx, caller, &failure);
        }
        self.advance(cx);
    }

    /// The other nodes have heard of what came of a change of metadata.
    pub(crate) fn spread(&mut self, cx: &mut Context<'_>, operation: u64) {
        self.operations.spread(operation);
        self.advance(cx);
    }

    /// What was begun ahead of its turn is tried again then: it may have failed for coming too early.
    fn operation_failed(&mut self, cx: &mut Context<'_>, caller: Caller, failure: &Failure) {
        if !self.operations.void(caller.operation) {
            self.fail(cx, failure, caller);
        }
    }

    fn changed(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        step: Step,
        reply: &metadata::Reply,
    ) -> Result<(), Failure> {
        match step {
            Step::Change { answer } => {
                self.finish(cx, caller, answer);
                Ok(())
            }
            Step::Unlist { answer, in_doubt } => {
                if let Some(name) = in_doubt {
                    no_other(cx, &name)?;
                }
                if let Some(answer) = answer {
                    self.send(cx, answer);
                }
                self.tell_cancelled(cx);
                Ok(())
            }
            Step::Declare(declaring) => self.declared(cx, caller, declaring, reply),
            Step::Replace(declaring) => self.declare_again(cx, caller, declaring),
            Step::LookAgain(missing) => self.try_again(cx, caller, *missing),
            Step::Create(..)
            | Step::Inspect(..)
            | Step::Delete(_)
            | Step::Attach { .. }
            | Step::Detach(_)
            | Step::Get { .. }
            | Step::Commit
            | Step::Done(_)
            | Step::Purge { .. } => Err(Failure::internal("metadata answered what it was not asked")),
        }
    }

    fn continue_with(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        step: Step,
        answer: Answer,
    ) -> Result<(), Failure> {
        let reply = match answer {
            Answer::Reply(reply) => reply,
            Answer::Got(got, record) => {
                return match step {
                    Step::Get { place, no_ack, .. } => self.got(cx, place, no_ack, &got, record),
                    _ => Err(unexpected()),
                };
            }
            Answer::Peeked(_) => return Err(unexpected()),
        };
        if reply == Reply::Refused(Refusal::NoSuchQueue)
            && let Some(method) = step.may_miss().filter(look_again::may_miss)
            && self.operations.looks_again(caller)
        {
            if let Step::Attach { number, .. } = step {
                self.forget_consumer(cx.shared, number);
            }
            self.look_again(cx, caller, method.into());
            return Ok(());
        }
        match step {
            Step::Create(declaring, place) => self.created(cx, caller, declaring, place, &reply),
            Step::Inspect(declaring, place) => self.inspected(cx, caller, declaring, place, &reply),
            Step::Delete(deleting) => self.deleted(cx, caller, &deleting, &reply),
            Step::Attach { number, name, consume, .. } => self.attached(cx, number, &name, consume.no_wait, &reply),
            Step::Detach(detaching) => self.detached(cx, caller, detaching, &reply),
            Step::Get { name, .. } => match reply {
                Reply::Empty => {
                    self.send(cx, basic::GetEmpty);
                    Ok(())
                }
                Reply::Refused(Refusal::SingleActiveConsumer) => Err(get_is_refused(cx, &name)),
                other => Err(no_queue_or(cx, &name, &other)),
            },
            Step::Purge { name, no_wait, is_again, .. } => match reply {
                Reply::Refused(Refusal::NoSuchQueue) if is_again => Err(outcome_unknown(cx, "purging", &name)),
                Reply::Purged { messages } => {
                    let message_count = u32::try_from(messages).unwrap_or(u32::MAX);
                    self.answer(cx, no_wait, queue_methods::PurgeOk { message_count });
                    Ok(())
                }
                other => Err(no_queue_or(cx, &name, &other)),
            },
            Step::Change { .. }
            | Step::Declare(_)
            | Step::Replace(_)
            | Step::LookAgain(_)
            | Step::Commit
            | Step::Done(_)
            | Step::Unlist { .. } => Err(unexpected()),
        }
    }
}

/// A queue was deleted, or was gone before and that was not known here: it cannot be told once there is another of that name.
fn no_other(cx: &Context<'_>, name: &ShortStr) -> Result<(), Failure> {
    let machine = cx.shared.broker.metadata().read();
    match machine.queue_for(&cx.shared.vhost, name, cx.shared.id) {
        Err(MetadataRefusal::NotFound(_)) => Ok(()),
        Ok(_) | Err(_) => Err(outcome_unknown(cx, "deleting", name)),
    }
}

/// What was asked of a queue may have been done, and the queue is gone since.
fn outcome_unknown(cx: &Context<'_>, verb: &str, name: &ShortStr) -> Failure {
    let queue = failure::queue(name, &cx.shared.vhost);
    Failure::internal(format!(
        "{verb} {queue} was not answered, and it was deleted meanwhile: look at it, and try again"
    ))
}

/// 404 when the queue is gone, else an internal error.
pub(crate) fn no_queue_or(cx: &Context<'_>, name: &ShortStr, reply: &Reply) -> Failure {
    match reply {
        Reply::Refused(Refusal::NoSuchQueue) => Failure::not_found(failure::queue(name, &cx.shared.vhost)),
        _ => unexpected(),
    }
}

/// What metadata refuses, as clients are told.
pub(crate) fn refused(refusal: &MetadataRefusal) -> Failure {
    Failure::from_metadata(refusal)
}

/// 405: of a queue with a single active consumer, only that gets messages.
fn get_is_refused(cx: &Context<'_>, name: &ShortStr) -> Failure {
    let vhost = &cx.shared.vhost;
    let machine = cx.shared.broker.metadata().read();
    let queue = machine.queue(vhost.as_bytes(), name.as_bytes());
    let kind = queue.map_or(QueueType::Classic, |queue| queue.declared_type).as_str();
    Failure::locked(format!(
        "cannot obtain access to locked {}. basic.get operations are not supported by {kind} queues with single active \
         consumer",
        failure::queue(name, vhost)
    ))
}

pub(crate) fn unexpected() -> Failure {
    Failure::internal("the queue's group gave an answer that does not fit the question")
}
