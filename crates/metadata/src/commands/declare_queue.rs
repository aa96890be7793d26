//! A queue comes, or is there already and equivalent.

use std::borrow::Cow;

use bytes::Bytes;
use types::{FieldTable, FieldValue, GroupId, ShortStr, Timestamp};

use crate::{
    Event, Machine, Queue, QueueType, Refusal, Reply, Resource, Vhost, arguments, command::DeclareQueue, compact,
    equivalence,
};

const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";

/// What a declare comes to.
pub(crate) enum Plan<'a> {
    /// The queue is there.
    Known(&'a Queue),
    /// It is to be made with these arguments.
    Create(Cow<'a, FieldTable>, QueueType),
}

pub(crate) fn apply(
    machine: &mut Machine,
    c: &DeclareQueue,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Result<Reply, Refusal> {
    let (arguments, declared_type) = match check(machine, c)? {
        Plan::Known(queue) => return Ok(Reply::Queue { queue: queue.id, group: queue.group, created: false }),
        Plan::Create(arguments, declared_type) => (compact::table(&arguments), declared_type),
    };
    let durable = is_durable(c);
    let group = if durable && c.group.local_node().is_none() { c.group } else { GroupId::local(c.home.node) };
    let queue = Queue {
        id: machine.take_queue_id(),
        vhost: c.vhost.clone(),
        name: c.name.compact(),
        durable,
        auto_delete: c.auto_delete,
        owner: c.exclusive.then_some(c.connection),
        arguments,
        declared_type,
        group,
        home: c.home,
        created_at: now,
        is_history: false,
    };
    let reply = Reply::Queue { queue: queue.id, group, created: true };
    machine.insert_queue(queue, events);
    Ok(reply)
}

pub(crate) fn known(machine: &Machine, c: &DeclareQueue) -> Option<Reply> {
    match check(machine, c) {
        Ok(Plan::Known(queue)) => Some(Reply::Queue { queue: queue.id, group: queue.group, created: false }),
        Ok(Plan::Create(..)) | Err(_) => None,
    }
}

pub(crate) fn check<'a>(machine: &'a Machine, c: &'a DeclareQueue) -> Result<Plan<'a>, Refusal> {
    let vhost = machine.vhost(c.vhost.as_bytes()).ok_or_else(|| Refusal::NoSuchVhost(c.vhost.clone()))?;
    let default = default_type(vhost, c);
    if let Some(current) = machine.queue(c.vhost.as_bytes(), c.name.as_bytes()) {
        equivalence::queue(current, c, is_durable(c), default.unwrap_or(QueueType::Classic))?;
        return Ok(Plan::Known(current));
    }
    let arguments = with_default_type(default, c);
    let declared_type = may_be_created(machine, c, &arguments)?;
    Ok(Plan::Create(arguments, declared_type))
}

/// An exclusive queue goes with its connection, so it is never durable.
fn is_durable(c: &DeclareQueue) -> bool {
    c.durable && !c.exclusive
}

/// The vhost's default queue type, or else the proposer's, for queues that it is for.
fn default_type(vhost: &Vhost, c: &DeclareQueue) -> Option<QueueType> {
    vhost.default_queue_type.or(c.default_type).filter(|_| c.durable && !c.exclusive && !c.auto_delete)
}

/// The arguments, with the default queue type where none is given.
fn with_default_type(default: Option<QueueType>, c: &DeclareQueue) -> Cow<'_, FieldTable> {
    let Some(default) = default.filter(|_| c.arguments.get("x-queue-type").is_none()) else {
        return Cow::Borrowed(&c.arguments);
    };
    let mut arguments = c.arguments.clone();
    let value = FieldValue::LongStr(Bytes::from_static(default.as_str().as_bytes()));
    arguments.push(ShortStr::from_static("x-queue-type"), value);
    Cow::Owned(arguments)
}

fn may_be_created(machine: &Machine, c: &DeclareQueue, arguments: &FieldTable) -> Result<QueueType, Refusal> {
    let resource = || Resource::queue(&c.vhost, &c.name);
    if c.name.is_empty() {
        return Err(Refusal::NotFound(resource()));
    }
    let declared_type = arguments::declared_queue_type(&c.vhost, &c.name, arguments)?;
    if c.server_named && declared_type == QueueType::Quorum {
        return Err(Refusal::ServerNamed(declared_type));
    }
    if !c.server_named && c.name.as_bytes().starts_with(b"amq.") {
        return Err(Refusal::ReservedName(resource()));
    }
    match arguments.get(DEAD_LETTER_EXCHANGE) {
        None | Some(FieldValue::LongStr(_)) => {}
        Some(other) => {
            return Err(Refusal::InvalidArgType {
                resource: resource(),
                arg: DEAD_LETTER_EXCHANGE,
                type_name: other.type_name(),
            });
        }
    }
    arguments::check_queue_arguments(&c.vhost, &c.name, arguments)?;
    machine.check_queue_limits(&c.vhost, &c.name)?;
    if declared_type == QueueType::Quorum {
        let property = match (c.auto_delete, c.exclusive, c.durable) {
            (true, _, _) => "auto-delete",
            (false, true, _) => "exclusive-owner",
            (false, false, false) => "non-durable",
            (false, false, true) => return Ok(declared_type),
        };
        return Err(Refusal::InvalidProperty { resource: resource(), property });
    }
    Ok(declared_type)
}
