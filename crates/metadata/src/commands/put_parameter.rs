//! A runtime parameter comes or changes.

use crate::{Change, Event, Machine, PutParameter, Refusal, Reply};

/// Longest value of a parameter. Unit: bytes. Every node holds all of them in memory.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// What has commands of its own, and would have no effect here.
const OTHERS: [&str; 3] = ["policy", "operator_policy", "vhost-limits"];

pub(crate) fn apply(machine: &mut Machine, c: &PutParameter, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    if OTHERS.iter().any(|other| c.component == *other) {
        return Err(Refusal::NotAParameter(c.component.clone()));
    }
    if c.value.len() > VALUE_BYTES_MAX {
        return Err(Refusal::ParameterTooLong(VALUE_BYTES_MAX));
    }
    let current = machine.parameter(c.vhost.as_bytes(), c.component.as_bytes(), c.name.as_bytes());
    if current == Some(c.value.as_str()) {
        return Ok(Reply::Done(Change::Unchanged));
    }
    let replaced = machine.put_parameter((&c.vhost, &c.component, &c.name), &c.value, events);
    Ok(Reply::Done(if replaced { Change::Updated } else { Change::Created }))
}
