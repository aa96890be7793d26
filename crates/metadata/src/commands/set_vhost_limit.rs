//! A limit of a vhost comes, changes or goes.

use crate::{Change, Event, Machine, Refusal, Reply, SetVhostLimit};

pub(crate) fn apply(machine: &mut Machine, c: &SetVhostLimit, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let vhost = machine.vhost_mut(&c.vhost).ok_or_else(|| Refusal::NoSuchVhost(c.vhost.clone()))?;
    let change = replace(vhost.limits.slot(c.limit), c.value);
    if change != Change::Unchanged {
        events.push(Event::VhostChanged { vhost: vhost.name.clone() });
    }
    Ok(Reply::Done(change))
}

pub(super) fn replace(slot: &mut Option<i64>, value: Option<i64>) -> Change {
    let before = std::mem::replace(slot, value);
    match (before, value) {
        (None, Some(_)) => Change::Created,
        (Some(_), None) => Change::Deleted,
        (Some(before), Some(value)) if before != value => Change::Updated,
        (Some(_), Some(_)) | (None, None) => Change::Unchanged,
    }
}
