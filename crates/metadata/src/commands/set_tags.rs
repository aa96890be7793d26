//! A user gets other tags.

use crate::{Change, Event, Machine, Refusal, Reply, SetTags, User};

pub(crate) fn apply(machine: &mut Machine, c: &SetTags, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let user = machine.user(c.user.as_bytes()).ok_or_else(|| Refusal::NoSuchUser(c.user.clone()))?;
    if user.tags == c.tags {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let user = User { tags: c.tags.iter().map(|tag| tag.compact()).collect(), ..user.clone() };
    machine.put_user(user, events);
    Ok(Reply::Done(Change::Updated))
}
