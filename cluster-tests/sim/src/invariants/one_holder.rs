//! A message has at most one holder that has not settled it (I6; DESIGN §1.3). A holder may be dispossessed, but only when
//! something was wrong with its node.

use std::time::Duration;

use crate::oracle::{ConsumerId, Message, MessageId, Verdict};

pub(crate) fn check(
    id: &MessageId,
    message: &Message,
    to: ConsumerId,
    was_calm: impl Fn(ConsumerId, Duration) -> bool,
) -> Verdict {
    match message.hold {
        Some(hold) if was_calm(hold.by, hold.since) => {
            Err(format!("{id} was delivered to {to:?} while {:?} holds it since {:?}", hold.by, hold.since))
        }
        _ => Ok(()),
    }
}
