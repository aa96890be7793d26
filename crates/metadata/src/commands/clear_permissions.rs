//! A user loses access to a vhost.

use super::set_permissions::both_are_there;
use crate::{Change, ClearPermissions, Event, Machine, Refusal, Reply};

pub(crate) fn apply(machine: &mut Machine, c: &ClearPermissions, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    both_are_there(machine, &c.user, &c.vhost)?;
    let existed = machine.remove_permissions(&c.user, &c.vhost, events);
    Ok(Reply::Done(if existed { Change::Deleted } else { Change::Unchanged }))
}
