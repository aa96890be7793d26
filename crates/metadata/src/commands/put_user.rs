//! A user comes, or changes wholly.

use crate::{Change, Event, Machine, PutUser, Reply, User, compact};

pub(crate) fn apply(machine: &mut Machine, c: &PutUser, events: &mut Vec<Event>) -> Reply {
    let user = User {
        name: c.user.compact(),
        password: c.password.as_ref().map(compact::password),
        tags: c.tags.iter().map(|tag| tag.compact()).collect(),
    };
    let change = match machine.user(user.name.as_bytes()) {
        Some(there) if *there == user => return Reply::Done(Change::Unchanged),
        Some(_) => Change::Updated,
        None => Change::Created,
    };
    machine.put_user(user, events);
    Reply::Done(change)
}
