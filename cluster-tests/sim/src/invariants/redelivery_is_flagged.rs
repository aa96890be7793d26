//! The second and each later delivery of a message carries `redelivered`, across failover and restart (I5; AMQP 0-9-1
//! §4.7, `basic.deliver`). A first delivery may carry it: somebody may have been about to get the message.

use crate::oracle::{Message, MessageId, Verdict};

pub(crate) fn check(id: &MessageId, message: &Message, redelivered: bool) -> Verdict {
    if message.deliveries > 0 && !redelivered {
        return Err(format!("{id} was delivered for the {}. time without `redelivered`", message.deliveries + 1));
    }
    Ok(())
}
