//! A user gets another password.

use crate::{Change, Event, Machine, Refusal, Reply, SetPassword, User, compact};

pub(crate) fn apply(machine: &mut Machine, c: &SetPassword, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let user = machine.user(c.user.as_bytes()).ok_or_else(|| Refusal::NoSuchUser(c.user.clone()))?;
    if user.password == c.password {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let user = User { password: c.password.as_ref().map(compact::password), ..user.clone() };
    machine.put_user(user, events);
    Ok(Reply::Done(Change::Updated))
}
