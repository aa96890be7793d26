//! A user's permissions in a vhost are replaced.

use types::ShortStr;

use crate::{Change, Event, Machine, Refusal, Reply, SetPermissions};

pub(crate) fn apply(machine: &mut Machine, c: &SetPermissions, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    both_are_there(machine, &c.user, &c.vhost)?;
    if machine.permissions(c.user.as_bytes(), c.vhost.as_bytes()) == Some(&c.permissions) {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let replaced = machine.put_permissions(&c.user, &c.vhost, c.permissions.clone(), events);
    Ok(Reply::Done(if replaced { Change::Updated } else { Change::Created }))
}

pub(super) fn both_are_there(machine: &Machine, user: &ShortStr, vhost: &ShortStr) -> Result<(), Refusal> {
    if machine.vhost(vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(vhost.clone()));
    }
    if machine.user(user.as_bytes()).is_none() {
        return Err(Refusal::NoSuchUser(user.clone()));
    }
    Ok(())
}
