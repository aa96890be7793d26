//! A user and its permissions go.

use types::ShortStr;

use crate::{Change, Event, Machine, Reply};

pub(crate) fn apply(machine: &mut Machine, user: &ShortStr, events: &mut Vec<Event>) -> Reply {
    let existed = machine.remove_user(user, events);
    Reply::Done(if existed { Change::Deleted } else { Change::Unchanged })
}
