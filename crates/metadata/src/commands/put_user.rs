//! A user comes, or changes wholly, but for the limits.

use crate::{Change, Event, Machine, PutUser, Reply, User, compact};

pub(crate) fn apply(machine: &mut Machine, c: &PutUser, events: &mut Vec<Event>) -> Reply {
    let there = machine.user(c.user.as_bytes());
    let user = User {
        name: c.user.compact(),
        password: c.password.as_ref().map(compact::password),
        tags: c.tags.iter().map(|tag| tag.compact()).collect(),
        limits: there.map(|user| user.limits).unwrap_or_default(),
    };
    let change = match there {
        Some(there) if *there == user => return Reply::Done(Change::Unchanged),
        Some(_) => Change::Updated,
        None => Change::Created,
    };
    machine.put_user(user, events);
    Reply::Done(change)
}
