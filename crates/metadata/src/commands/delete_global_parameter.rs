//! A global parameter goes.

use types::ShortStr;

use crate::{Change, Event, Machine, Reply};

pub(crate) fn apply(machine: &mut Machine, name: &ShortStr, events: &mut Vec<Event>) -> Reply {
    let existed = machine.remove_global_parameter(name, events);
    Reply::Done(if existed { Change::Deleted } else { Change::Unchanged })
}
