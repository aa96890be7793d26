//! A consumer comes.

use types::{ConsumerKey, QueueId};

use crate::{ConsumerOptions, Machine, Outcome, Refusal, Reply};

use super::Scope;

pub(super) fn apply(
    machine: &mut Machine,
    scope: &Scope,
    queue: QueueId,
    number: u32,
    options: ConsumerOptions,
    out: &mut Outcome,
) -> Reply {
    let key = scope.consumer(number);
    let attached = machine.with_queue(queue, out, |state, work| {
        let consumers = &state.consumers;
        if number == ConsumerKey::GET {
            // That number is in use by the session's `basic.get`.
            return Err(Refusal::ExclusiveUse);
        }
        if consumers.find(&key).is_some() {
            return Ok(());
        }
        if consumers.exclusive() || (options.exclusive && consumers.attached() > 0) {
            return Err(Refusal::ExclusiveUse);
        }
        state.attach(key, options, work);
        Ok(())
    });
    match attached {
        Some(Ok(())) => Reply::Done,
        Some(Err(refusal)) => Reply::Refused(refusal),
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
