//! A global parameter comes or changes.

use super::put_parameter::VALUE_BYTES_MAX;
use crate::{Change, Event, Machine, PutGlobalParameter, Refusal, Reply};

pub(crate) fn apply(machine: &mut Machine, c: &PutGlobalParameter, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if c.value.len() > VALUE_BYTES_MAX {
        return Err(Refusal::ParameterTooLong(VALUE_BYTES_MAX));
    }
    if machine.global_parameter(c.name.as_bytes()) == Some(c.value.as_str()) {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let replaced = machine.put_global_parameter(&c.name, &c.value, events);
    Ok(Reply::Done(if replaced { Change::Updated } else { Change::Created }))
}
