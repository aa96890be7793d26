//! Nothing is invented: what is delivered was sent, and who comes after its queue was deleted gets nothing of it (I2; DESIGN §1.3).
//! A consumer that was there before may hear what was on its way when another node's client heard `queue.delete-ok`.

use std::collections::BTreeMap;

use crate::oracle::{ConsumerId, Message, MessageId, QueueKey};

pub(crate) fn check<'a>(
    messages: &'a mut BTreeMap<MessageId, Message>,
    deleted: &BTreeMap<QueueKey, u64>,
    id: &MessageId,
    to: ConsumerId,
) -> Result<&'a mut Message, String> {
    if deleted.get(&id.queue).is_some_and(|last| to.number > *last) {
        return Err(format!("{id} was delivered after its queue was deleted"));
    }
    let message = messages.get_mut(id).ok_or_else(|| format!("{id} was delivered and never sent"))?;
    if message.returned {
        return Err(format!("{id} was delivered though its publisher was told that it is in no queue"));
    }
    Ok(message)
}
