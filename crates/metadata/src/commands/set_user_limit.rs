//! A limit of a user comes, changes or goes.

use super::set_vhost_limit::replace;
use crate::{Change, Event, Machine, Refusal, Reply, SetUserLimit};

pub(crate) fn apply(machine: &mut Machine, c: &SetUserLimit, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let user = machine.user(c.user.as_bytes()).ok_or_else(|| Refusal::NoSuchUser(c.user.clone()))?;
    let mut user = user.clone();
    let change = replace(user.limits.slot(c.limit), c.value);
    if change != Change::Unchanged {
        machine.put_user(user, events);
    }
    Ok(Reply::Done(change))
}
