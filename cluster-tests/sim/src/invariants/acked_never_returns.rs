//! A message whose ack was committed (`tx.commit-ok`) is never delivered again (I7; DESIGN §1.3).

use crate::oracle::{Message, MessageId, Verdict};

pub(crate) fn check(id: &MessageId, message: &Message) -> Verdict {
    if message.acked { Err(format!("{id} was delivered though its ack was committed")) } else { Ok(()) }
}
