//! A user's permissions on routing keys go: all are allowed.

use super::set_permissions::both_are_there;
use crate::{Change, ClearTopicPermissions, Event, Machine, Refusal, Reply};

pub(crate) fn apply(
    machine: &mut Machine,
    c: &ClearTopicPermissions,
    events: &mut Vec<Event>,
) -> Result<Reply, Refusal> {
    both_are_there(machine, &c.user, &c.vhost)?;
    let existed = machine.remove_topic_permissions(&c.user, &c.vhost, c.exchange.as_ref(), events);
    Ok(Reply::Done(if existed { Change::Deleted } else { Change::Unchanged }))
}
