//! A user's permissions on the routing keys of a topic exchange are replaced.

use super::set_permissions::both_are_there;
use crate::{Change, Event, Machine, Refusal, Reply, SetTopicPermissions};

pub(crate) fn apply(machine: &mut Machine, c: &SetTopicPermissions, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    both_are_there(machine, &c.user, &c.vhost)?;
    let current = machine.topic_permissions(c.user.as_bytes(), c.vhost.as_bytes(), c.exchange.as_bytes());
    if current == Some(&c.permissions) {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let of = (&c.user, &c.vhost, &c.exchange);
    let replaced = machine.put_topic_permissions(of, c.permissions.clone(), events);
    Ok(Reply::Done(if replaced { Change::Updated } else { Change::Created }))
}
