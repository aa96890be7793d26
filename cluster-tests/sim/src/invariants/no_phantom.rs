//! Nothing is invented: what is delivered was sent, and its queue is not deleted (I2; DESIGN §1.3).

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::{Message, MessageId, QueueKey};

pub(crate) fn check<'a>(
    messages: &'a mut BTreeMap<MessageId, Message>,
    deleted: &BTreeSet<QueueKey>,
    id: &MessageId,
) -> Result<&'a mut Message, String> {
    if deleted.contains(&id.queue) {
        return Err(format!("{id} was delivered after its queue was deleted"));
    }
    let message = messages.get_mut(id).ok_or_else(|| format!("{id} was delivered and never sent"))?;
    if message.returned {
        return Err(format!("{id} was delivered though its publisher was told that it is in no queue"));
    }
    Ok(message)
}
